-- Copies in Iceberg: rows are replaced and deleted by key (format 2), and of the files that describe the table only the
-- newest are kept. The user's password is with Flink's processes.
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

CREATE TABLE IF NOT EXISTS lake.silver_lakehouse.shop_customers (
  customer_id BIGINT NOT NULL,
  name STRING NOT NULL,
  email STRING NOT NULL,
  segment STRING NOT NULL,
  credit_limit DECIMAL(12,2) NOT NULL,
  is_active BOOLEAN NOT NULL,
  effective_at TIMESTAMP_LTZ(6) NOT NULL,
  updated_at TIMESTAMP_LTZ(6) NOT NULL,
  PRIMARY KEY (customer_id) NOT ENFORCED
) WITH (
  'format-version' = '2',
  'write.upsert.enabled' = 'true',
  'write.metadata.delete-after-commit.enabled' = 'true',
  'write.metadata.previous-versions-max' = '20'
);

CREATE TABLE IF NOT EXISTS lake.silver_lakehouse.shop_addresses (
  address_id BIGINT NOT NULL,
  customer_id BIGINT NOT NULL,
  kind STRING NOT NULL,
  street STRING,
  city STRING NOT NULL,
  postal_code STRING,
  country STRING NOT NULL,
  valid_from DATE NOT NULL,
  updated_at TIMESTAMP_LTZ(6) NOT NULL,
  PRIMARY KEY (address_id) NOT ENFORCED
) WITH (
  'format-version' = '2',
  'write.upsert.enabled' = 'true',
  'write.metadata.delete-after-commit.enabled' = 'true',
  'write.metadata.previous-versions-max' = '20'
);

CREATE TABLE IF NOT EXISTS lake.silver_lakehouse.shop_products (
  product_code STRING NOT NULL,
  title STRING NOT NULL,
  description STRING NOT NULL,
  category STRING NOT NULL,
  list_price DECIMAL(12,2) NOT NULL,
  weight_kg DOUBLE,
  updated_at TIMESTAMP_LTZ(6) NOT NULL,
  PRIMARY KEY (product_code) NOT ENFORCED
) WITH (
  'format-version' = '2',
  'write.upsert.enabled' = 'true',
  'write.metadata.delete-after-commit.enabled' = 'true',
  'write.metadata.previous-versions-max' = '20'
);

CREATE TABLE IF NOT EXISTS lake.silver_lakehouse.shop_orders (
  order_id BIGINT NOT NULL,
  customer_id BIGINT NOT NULL,
  status STRING NOT NULL,
  `total` DECIMAL(14,2) NOT NULL,
  placed_at TIMESTAMP_LTZ(6) NOT NULL,
  updated_at TIMESTAMP_LTZ(6) NOT NULL,
  PRIMARY KEY (order_id) NOT ENFORCED
) WITH (
  'format-version' = '2',
  'write.upsert.enabled' = 'true',
  'write.metadata.delete-after-commit.enabled' = 'true',
  'write.metadata.previous-versions-max' = '20'
);

CREATE TABLE IF NOT EXISTS lake.silver_lakehouse.shop_order_lines (
  order_id BIGINT NOT NULL,
  line_number INT NOT NULL,
  product_code STRING NOT NULL,
  quantity INT NOT NULL,
  unit_price DECIMAL(12,2) NOT NULL,
  PRIMARY KEY (order_id, line_number) NOT ENFORCED
) WITH (
  'format-version' = '2',
  'write.upsert.enabled' = 'true',
  'write.metadata.delete-after-commit.enabled' = 'true',
  'write.metadata.previous-versions-max' = '20'
);

CREATE TABLE IF NOT EXISTS lake.silver_lakehouse.shop_payments (
  payment_id STRING NOT NULL,
  order_id BIGINT NOT NULL,
  `method` STRING NOT NULL,
  amount DECIMAL(14,2) NOT NULL,
  status STRING NOT NULL,
  paid_at TIMESTAMP_LTZ(6),
  PRIMARY KEY (payment_id) NOT ENFORCED
) WITH (
  'format-version' = '2',
  'write.upsert.enabled' = 'true',
  'write.metadata.delete-after-commit.enabled' = 'true',
  'write.metadata.previous-versions-max' = '20'
);
