-- What came late, with the time of its arrival, for the batch layer; the figures of the minutes; what is served to people in
-- PostgreSQL; events, sessions and quarantine in Iceberg. Users' passwords are with Flink's processes.
CREATE TEMPORARY TABLE written (
  nothing AS 0
) WITH (
  'connector' = 'kafka',
  'properties.bootstrap.servers' = '{{ kafka.servers }}',
  'properties.security.protocol' = '{{ kafka.security_protocol }}',
  'properties.sasl.mechanism' = '{{ kafka.mechanism }}',
  'sink.delivery-guarantee' = 'exactly-once',
  'properties.transaction.timeout.ms' = '600000',
  'format' = 'avro-confluent',
  'avro-confluent.url' = '{{ registry.url }}'
);

CREATE TEMPORARY TABLE pages_late (
  user_id BIGINT NOT NULL,
  page STRING NOT NULL,
  `timestamp` TIMESTAMP(3) NOT NULL,
  session_id STRING NOT NULL,
  referrer STRING,
  arrived_at TIMESTAMP_LTZ(3) METADATA FROM 'timestamp'
) WITH ('topic' = 'ecommerce.pages.late', 'sink.transactional-id-prefix' = '{{ job.group }}-pages-late')
LIKE written (EXCLUDING ALL INCLUDING OPTIONS);

CREATE TEMPORARY TABLE carts_late (
  user_id BIGINT NOT NULL,
  product_id BIGINT NOT NULL,
  quantity INT NOT NULL,
  `timestamp` TIMESTAMP(3) NOT NULL,
  session_id STRING NOT NULL,
  arrived_at TIMESTAMP_LTZ(3) METADATA FROM 'timestamp'
) WITH ('topic' = 'ecommerce.carts.late', 'sink.transactional-id-prefix' = '{{ job.group }}-carts-late')
LIKE written (EXCLUDING ALL INCLUDING OPTIONS);

CREATE TEMPORARY TABLE orders_late (
  user_id BIGINT NOT NULL,
  order_id BIGINT NOT NULL,
  products ARRAY<ROW<product_id BIGINT, quantity INT, unit_price DECIMAL(12,2)>> NOT NULL,
  total_amount DECIMAL(14,2) NOT NULL,
  `timestamp` TIMESTAMP(3) NOT NULL,
  arrived_at TIMESTAMP_LTZ(3) METADATA FROM 'timestamp'
) WITH ('topic' = 'ecommerce.orders.late', 'sink.transactional-id-prefix' = '{{ job.group }}-orders-late')
LIKE written (EXCLUDING ALL INCLUDING OPTIONS);

CREATE TEMPORARY TABLE stock_late (
  product_id BIGINT NOT NULL,
  quantity_delta INT NOT NULL,
  warehouse_id INT NOT NULL,
  `timestamp` TIMESTAMP(3) NOT NULL,
  arrived_at TIMESTAMP_LTZ(3) METADATA FROM 'timestamp'
) WITH ('topic' = 'ecommerce.stock.late', 'sink.transactional-id-prefix' = '{{ job.group }}-stock-late')
LIKE written (EXCLUDING ALL INCLUDING OPTIONS);

CREATE TEMPORARY TABLE searches_late (
  query STRING NOT NULL,
  user_id BIGINT NOT NULL,
  session_id STRING NOT NULL,
  `timestamp` TIMESTAMP(3) NOT NULL,
  results_count INT NOT NULL,
  clicked_products ARRAY<BIGINT> NOT NULL,
  search_type STRING NOT NULL,
  filters_applied ARRAY<STRING> NOT NULL,
  arrived_at TIMESTAMP_LTZ(3) METADATA FROM 'timestamp'
) WITH ('topic' = 'ecommerce.searches.late', 'sink.transactional-id-prefix' = '{{ job.group }}-searches-late')
LIKE written (EXCLUDING ALL INCLUDING OPTIONS);

CREATE TEMPORARY TABLE minutes_counted (
  `minute` TIMESTAMP(3) NOT NULL,
  page_views BIGINT NOT NULL,
  cart_additions BIGINT NOT NULL,
  orders BIGINT NOT NULL,
  pieces BIGINT NOT NULL,
  revenue DECIMAL(14,2) NOT NULL,
  searches BIGINT NOT NULL,
  searches_without_result BIGINT NOT NULL,
  searches_with_click BIGINT NOT NULL,
  active_users BIGINT NOT NULL,
  PRIMARY KEY (`minute`) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka',
  'topic' = 'ecommerce.minutes.counted',
  'sink.buffer-flush.max-rows' = '1000',
  'sink.buffer-flush.interval' = '1s',
  'properties.bootstrap.servers' = '{{ kafka.servers }}',
  'properties.security.protocol' = '{{ kafka.security_protocol }}',
  'properties.sasl.mechanism' = '{{ kafka.mechanism }}',
  'key.format' = 'avro-confluent',
  'key.avro-confluent.url' = '{{ registry.url }}',
  'value.format' = 'avro-confluent',
  'value.avro-confluent.url' = '{{ registry.url }}'
);

CREATE TEMPORARY TABLE served (
  nothing AS 0
) WITH (
  'connector' = 'jdbc',
  'url' = '{{ postgres.shop }}',
  'sink.buffer-flush.interval' = '1s',
  'sink.max-retries' = '10'
);

CREATE TEMPORARY TABLE live_minutes (
  `minute` TIMESTAMP(3) NOT NULL,
  page_views BIGINT NOT NULL,
  cart_additions BIGINT NOT NULL,
  orders BIGINT NOT NULL,
  pieces BIGINT NOT NULL,
  revenue DECIMAL(14,2) NOT NULL,
  searches BIGINT NOT NULL,
  searches_without_result BIGINT NOT NULL,
  searches_with_click BIGINT NOT NULL,
  active_users BIGINT NOT NULL,
  PRIMARY KEY (`minute`) NOT ENFORCED
) WITH ('table-name' = 'live_ecommerce.minutes')
LIKE served (EXCLUDING ALL INCLUDING OPTIONS);

CREATE TEMPORARY TABLE live_handled (
  kind STRING NOT NULL,
  arrived_hour TIMESTAMP(3) NOT NULL,
  records BIGINT NOT NULL,
  broken BIGINT NOT NULL,
  late BIGINT NOT NULL,
  taken BIGINT NOT NULL,
  PRIMARY KEY (kind, arrived_hour) NOT ENFORCED
) WITH ('table-name' = 'live_ecommerce.handled')
LIKE served (EXCLUDING ALL INCLUDING OPTIONS);

CREATE TEMPORARY TABLE live_abandoned_carts (
  user_id BIGINT NOT NULL,
  begins_at TIMESTAMP(3) NOT NULL,
  ends_at TIMESTAMP(3) NOT NULL,
  cart_additions BIGINT NOT NULL,
  PRIMARY KEY (user_id, begins_at) NOT ENFORCED
) WITH ('table-name' = 'live_ecommerce.abandoned_carts')
LIKE served (EXCLUDING ALL INCLUDING OPTIONS);

CREATE TEMPORARY TABLE live_suspicious_orders (
  order_id BIGINT NOT NULL,
  reason STRING NOT NULL,
  user_id BIGINT NOT NULL,
  total_amount DECIMAL(14,2) NOT NULL,
  ordered_at TIMESTAMP(3) NOT NULL,
  PRIMARY KEY (order_id, reason) NOT ENFORCED
) WITH ('table-name' = 'live_ecommerce.suspicious_orders')
LIKE served (EXCLUDING ALL INCLUDING OPTIONS);

CREATE TEMPORARY TABLE live_trending (
  window_begins_at TIMESTAMP(3) NOT NULL,
  place BIGINT NOT NULL,
  product_id BIGINT NOT NULL,
  points BIGINT NOT NULL,
  PRIMARY KEY (window_begins_at, place) NOT ENFORCED
) WITH ('table-name' = 'live_ecommerce.trending')
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

CREATE TABLE IF NOT EXISTS lake.silver_ecommerce.sessions (
  user_id BIGINT NOT NULL,
  begins_at TIMESTAMP_LTZ(6) NOT NULL,
  ends_at TIMESTAMP_LTZ(6) NOT NULL,
  page_views BIGINT NOT NULL,
  cart_additions BIGINT NOT NULL,
  orders BIGINT NOT NULL,
  searches BIGINT NOT NULL,
  is_abandoned BOOLEAN NOT NULL,
  PRIMARY KEY (user_id, begins_at) NOT ENFORCED
) WITH (
  'format-version' = '2',
  'write.metadata.delete-after-commit.enabled' = 'true',
  'write.metadata.previous-versions-max' = '20'
);

CREATE TABLE IF NOT EXISTS lake.silver_ecommerce.live_events (
  kind STRING NOT NULL,
  event_id STRING NOT NULL,
  user_id BIGINT,
  product_id BIGINT,
  happened_at TIMESTAMP_LTZ(6) NOT NULL,
  arrived_at TIMESTAMP_LTZ(6) NOT NULL
) WITH (
  'format-version' = '2',
  'write.metadata.delete-after-commit.enabled' = 'true',
  'write.metadata.previous-versions-max' = '20'
);

CREATE TABLE IF NOT EXISTS lake.silver_ecommerce.live_events__quarantine (
  kind STRING NOT NULL,
  reason STRING NOT NULL,
  event STRING NOT NULL,
  happened_at TIMESTAMP_LTZ(6) NOT NULL,
  arrived_at TIMESTAMP_LTZ(6) NOT NULL
) WITH (
  'format-version' = '2',
  'write.metadata.delete-after-commit.enabled' = 'true',
  'write.metadata.previous-versions-max' = '20'
);
