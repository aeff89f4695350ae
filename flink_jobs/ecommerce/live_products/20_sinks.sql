-- What is served to people in PostgreSQL, the priced lines in Iceberg. Users' passwords are with Flink's processes.
CREATE TEMPORARY TABLE served (
  nothing AS 0
) WITH (
  'connector' = 'jdbc',
  'url' = '{{ postgres.shop }}',
  'sink.buffer-flush.interval' = '1s',
  'sink.max-retries' = '10'
);

CREATE TEMPORARY TABLE live_stock (
  product_id BIGINT NOT NULL,
  pieces BIGINT NOT NULL,
  `minute` TIMESTAMP(3) NOT NULL,
  PRIMARY KEY (product_id) NOT ENFORCED
) WITH ('table-name' = 'live_ecommerce.stock')
LIKE served (EXCLUDING ALL INCLUDING OPTIONS);

CREATE TEMPORARY TABLE live_shortages (
  product_id BIGINT NOT NULL,
  `minute` TIMESTAMP(3) NOT NULL,
  pieces BIGINT NOT NULL,
  reorder_point BIGINT NOT NULL,
  PRIMARY KEY (product_id, `minute`) NOT ENFORCED
) WITH ('table-name' = 'live_ecommerce.shortages')
LIKE served (EXCLUDING ALL INCLUDING OPTIONS);

CREATE CATALOG lake WITH (
  'type' = 'iceberg',
  'catalog-impl' = 'org.apache.iceberg.jdbc.JdbcCatalog',
  'uri' = '{{ lake.catalog }}',
  'jdbc.user' = '{{ lake.user }}',
  'jdbc.schema-version' = 'V1',
  'warehouse' = '{{ lake.warehouse }}',
  'io-impl' = 'org.apache.iceberg.hadoop.HadoopFileIO'
);

CREATE DATABASE IF NOT EXISTS lake.silver_ecommerce;

CREATE TABLE IF NOT EXISTS lake.silver_ecommerce.priced_order_lines (
  order_id BIGINT NOT NULL,
  line_number INT NOT NULL,
  user_id BIGINT NOT NULL,
  product_id BIGINT NOT NULL,
  quantity INT NOT NULL,
  unit_price DECIMAL(12,2) NOT NULL,
  category STRING NOT NULL,
  brand STRING NOT NULL,
  list_price DECIMAL(12,2) NOT NULL,
  ordered_at TIMESTAMP_LTZ(6) NOT NULL
) WITH (
  'format-version' = '2',
  'write.metadata.delete-after-commit.enabled' = 'true',
  'write.metadata.previous-versions-max' = '20'
);
