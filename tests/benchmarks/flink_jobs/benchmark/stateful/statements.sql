CREATE TEMPORARY TABLE numbers (
  k STRING,
  n BIGINT
) WITH (
  'connector' = 'kafka',
  'topic' = 'benchmark.numbers',
  'properties.group.id' = '{{ job.group }}',
  'properties.bootstrap.servers' = '{{ kafka.servers }}',
  'properties.security.protocol' = '{{ kafka.security_protocol }}',
  'properties.sasl.mechanism' = '{{ kafka.mechanism }}',
  'scan.startup.mode' = 'earliest-offset',
  'format' = 'json'
);

CREATE TEMPORARY TABLE totals (
  k STRING,
  numbers BIGINT,
  total BIGINT,
  PRIMARY KEY (k) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka',
  'topic' = 'benchmark.results',
  'properties.bootstrap.servers' = '{{ kafka.servers }}',
  'properties.security.protocol' = '{{ kafka.security_protocol }}',
  'properties.sasl.mechanism' = '{{ kafka.mechanism }}',
  'key.format' = 'json',
  'value.format' = 'json'
);

INSERT INTO totals SELECT k, COUNT(*), SUM(n) FROM numbers GROUP BY k;
