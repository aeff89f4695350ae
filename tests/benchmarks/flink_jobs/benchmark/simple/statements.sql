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

CREATE TEMPORARY TABLE results (
  k STRING,
  n BIGINT
) WITH (
  'connector' = 'kafka',
  'topic' = 'benchmark.results',
  'properties.bootstrap.servers' = '{{ kafka.servers }}',
  'properties.security.protocol' = '{{ kafka.security_protocol }}',
  'properties.sasl.mechanism' = '{{ kafka.mechanism }}',
  'format' = 'json'
);

INSERT INTO results SELECT UPPER(k), n + 1 FROM numbers WHERE n >= 0;
