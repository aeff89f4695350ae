-- Changes of the shop's tables, as Debezium captures them: one change log each, keyed as the table is. Times with a zone
-- come as text, dates as days since 1970. Whole numbers are read as long ones, so that a column that is widened can still be
-- read. The first table only lends its options to the others.
CREATE TEMPORARY TABLE captured (
  nothing AS 0
) WITH (
  'connector' = 'kafka',
  'properties.bootstrap.servers' = '{{ kafka.servers }}',
  'properties.security.protocol' = '{{ kafka.security_protocol }}',
  'properties.sasl.mechanism' = '{{ kafka.mechanism }}',
  'properties.group.id' = '{{ job.group }}',
  -- The capture writes in transactions: what it takes back is never seen.
  'properties.isolation.level' = 'read_committed',
  'scan.startup.mode' = 'earliest-offset',
  -- Records that cannot be read are put aside before the format sees them: it would stop at them.
  'properties.interceptor.classes' = 'io.quintet.kafka.DeadLetters',
  'properties.quintet.registry.url' = '{{ registry.url }}',
  'format' = 'debezium-avro-confluent',
  'debezium-avro-confluent.url' = '{{ registry.url }}'
);

CREATE TEMPORARY TABLE customers_changes (
  customer_id BIGINT,
  name STRING,
  email STRING,
  segment STRING,
  credit_limit DECIMAL(12,2),
  is_active BOOLEAN,
  effective_at STRING,
  updated_at STRING,
  PRIMARY KEY (customer_id) NOT ENFORCED
) WITH ('topic' = 'lakehouse.customers.changes')
LIKE captured (EXCLUDING ALL INCLUDING OPTIONS);

CREATE TEMPORARY TABLE addresses_changes (
  address_id BIGINT,
  customer_id BIGINT,
  kind STRING,
  street STRING,
  city STRING,
  postal_code STRING,
  country STRING,
  valid_from INT,
  updated_at STRING,
  PRIMARY KEY (address_id) NOT ENFORCED
) WITH ('topic' = 'lakehouse.addresses.changes')
LIKE captured (EXCLUDING ALL INCLUDING OPTIONS);

CREATE TEMPORARY TABLE products_changes (
  product_code STRING,
  title STRING,
  description STRING,
  category STRING,
  list_price DECIMAL(12,2),
  weight_kg DOUBLE,
  updated_at STRING,
  PRIMARY KEY (product_code) NOT ENFORCED
) WITH ('topic' = 'lakehouse.products.changes')
LIKE captured (EXCLUDING ALL INCLUDING OPTIONS);

CREATE TEMPORARY TABLE orders_changes (
  order_id BIGINT,
  customer_id BIGINT,
  status STRING,
  `total` DECIMAL(14,2),
  placed_at STRING,
  updated_at STRING,
  PRIMARY KEY (order_id) NOT ENFORCED
) WITH ('topic' = 'lakehouse.orders.changes')
LIKE captured (EXCLUDING ALL INCLUDING OPTIONS);

CREATE TEMPORARY TABLE order_lines_changes (
  order_id BIGINT,
  line_number BIGINT,
  product_code STRING,
  quantity BIGINT,
  unit_price DECIMAL(12,2),
  PRIMARY KEY (order_id, line_number) NOT ENFORCED
) WITH ('topic' = 'lakehouse.order_lines.changes')
LIKE captured (EXCLUDING ALL INCLUDING OPTIONS);

CREATE TEMPORARY TABLE payments_changes (
  payment_id STRING,
  order_id BIGINT,
  `method` STRING,
  amount DECIMAL(14,2),
  status STRING,
  paid_at STRING,
  PRIMARY KEY (payment_id) NOT ENFORCED
) WITH ('topic' = 'lakehouse.payments.changes')
LIKE captured (EXCLUDING ALL INCLUDING OPTIONS);
