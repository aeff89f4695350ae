CREATE TEMPORARY TABLE door (
  nothing AS 0
) WITH (
  'connector' = 'kafka',
  'properties.bootstrap.servers' = '{{ kafka.servers }}',
  'properties.security.protocol' = '{{ kafka.security_protocol }}',
  'properties.sasl.mechanism' = '{{ kafka.mechanism }}',
  'format' = 'json'
);

CREATE TEMPORARY TABLE numbers (
  k STRING,
  n BIGINT
) WITH (
  'topic' = 'lakehouse.drill.numbers',
  'properties.group.id' = '{{ job.group }}',
  'scan.startup.mode' = 'earliest-offset'
)
LIKE door (EXCLUDING ALL INCLUDING OPTIONS);

CREATE TEMPORARY TABLE copies (
  k STRING,
  n BIGINT
) WITH (
  'topic' = 'lakehouse.drill.copies',
  'sink.delivery-guarantee' = 'exactly-once',
  'sink.transactional-id-prefix' = '{{ job.group }}',
  'properties.transaction.timeout.ms' = '600000'
)
LIKE door (EXCLUDING ALL INCLUDING OPTIONS);

CREATE CATALOG lake WITH (
  'type' = 'iceberg',
  'catalog-impl' = 'org.apache.iceberg.jdbc.JdbcCatalog',
  'uri' = '{{ lake.catalog }}',
  'jdbc.user' = '{{ lake.user }}',
  'jdbc.schema-version' = 'V1',
  'warehouse' = '{{ lake.warehouse }}',
  'io-impl' = 'org.apache.iceberg.hadoop.HadoopFileIO'
);

CREATE DATABASE IF NOT EXISTS lake.silver_lakehouse;

CREATE TABLE IF NOT EXISTS lake.silver_lakehouse.drill_totals (
  k STRING NOT NULL,
  numbers BIGINT NOT NULL,
  total BIGINT NOT NULL,
  PRIMARY KEY (k) NOT ENFORCED
) WITH (
  'format-version' = '2',
  'write.upsert.enabled' = 'true'
);

EXECUTE STATEMENT SET BEGIN

INSERT INTO copies SELECT LOWER(k), n FROM numbers;

INSERT INTO lake.silver_lakehouse.drill_totals
SELECT k, COUNT(*), ABS(SUM(n)) FROM numbers WHERE k IS NOT NULL GROUP BY k;

END;
