-- Versions of the products, purchases, and changes of the stock. A record's time in the topic is its arrival. Records that
-- cannot be read are put aside before the format sees them. The first table only lends its options to the others. The
-- broker may wait a fifth of a second for 64 KB: many small answers cost both more than the records in them.
CREATE TEMPORARY TABLE events (
  nothing AS 0
) WITH (
  'connector' = 'kafka',
  'properties.bootstrap.servers' = '{{ kafka.servers }}',
  'properties.security.protocol' = '{{ kafka.security_protocol }}',
  'properties.sasl.mechanism' = '{{ kafka.mechanism }}',
  'properties.group.id' = '{{ job.group }}',
  'properties.isolation.level' = 'read_committed',
  'properties.fetch.min.bytes' = '65536',
  'properties.fetch.max.wait.ms' = '200',
  'properties.interceptor.classes' = 'io.quintet.kafka.DeadLetters',
  'properties.quintet.registry.url' = '{{ registry.url }}',
  'properties.quintet.records' = 'events',
  'scan.startup.mode' = 'earliest-offset',
  'format' = 'avro-confluent',
  'avro-confluent.url' = '{{ registry.url }}'
);

-- Rows of the shop's price list, captured and flat. A version is announced before it holds; the last record says that no
-- older one comes (product 0, far ahead), so that nothing waits for the next change of a price.
CREATE TEMPORARY TABLE products_changed (
  product_id BIGINT NOT NULL,
  valid_from TIMESTAMP(3) NOT NULL,
  category STRING NOT NULL,
  `type` STRING NOT NULL,
  brand STRING NOT NULL,
  price DECIMAL(12,2) NOT NULL,
  inventory_count BIGINT NOT NULL,
  reorder_point BIGINT NOT NULL,
  WATERMARK FOR valid_from AS valid_from,
  PRIMARY KEY (product_id) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka',
  'topic' = 'ecommerce.products.changed',
  'properties.bootstrap.servers' = '{{ kafka.servers }}',
  'properties.security.protocol' = '{{ kafka.security_protocol }}',
  'properties.sasl.mechanism' = '{{ kafka.mechanism }}',
  'properties.group.id' = '{{ job.group }}',
  'properties.isolation.level' = 'read_committed',
  'key.format' = 'avro-confluent',
  'key.avro-confluent.url' = '{{ registry.url }}',
  'value.format' = 'avro-confluent',
  'value.avro-confluent.url' = '{{ registry.url }}'
);

CREATE TEMPORARY TABLE orders_purchased (
  user_id BIGINT NOT NULL,
  order_id BIGINT NOT NULL,
  products ARRAY<ROW<product_id BIGINT, quantity INT, unit_price DECIMAL(12,2)>> NOT NULL,
  total_amount DECIMAL(14,2) NOT NULL,
  `timestamp` TIMESTAMP(3) NOT NULL,
  arrived_at TIMESTAMP(3) METADATA FROM 'timestamp' VIRTUAL,
  -- A clock that is ahead must not carry the watermark with it.
  happened_at AS CASE WHEN `timestamp` > arrived_at THEN arrived_at ELSE `timestamp` END,
  WATERMARK FOR happened_at AS happened_at - INTERVAL '{{ definitions.lateness_minutes }}' MINUTE - INTERVAL '0.001' SECOND
) WITH ('topic' = 'ecommerce.orders.purchased')
LIKE events (EXCLUDING ALL INCLUDING OPTIONS);

CREATE TEMPORARY TABLE stock_updated (
  product_id BIGINT NOT NULL,
  quantity_delta INT NOT NULL,
  warehouse_id INT NOT NULL,
  `timestamp` TIMESTAMP(3) NOT NULL,
  arrived_at TIMESTAMP(3) METADATA FROM 'timestamp' VIRTUAL,
  happened_at AS CASE WHEN `timestamp` > arrived_at THEN arrived_at ELSE `timestamp` END,
  WATERMARK FOR happened_at AS happened_at - INTERVAL '{{ definitions.lateness_minutes }}' MINUTE - INTERVAL '0.001' SECOND
) WITH ('topic' = 'ecommerce.stock.updated')
LIKE events (EXCLUDING ALL INCLUDING OPTIONS);
