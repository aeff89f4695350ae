-- Records that break a rule, with the first rule that they break: they go to quarantine, and no figure counts them.
CREATE TEMPORARY VIEW refused AS
SELECT 'page_view' AS kind,
  CASE
    WHEN `timestamp` > arrived_at + INTERVAL '{{ definitions.clock_ahead_minutes }}' MINUTE THEN 'clock_ahead'
    WHEN page NOT LIKE '/%' THEN 'page_not_a_path'
  END AS reason,
  JSON_OBJECT(KEY 'user_id' VALUE user_id, KEY 'page' VALUE page, KEY 'session_id' VALUE session_id, KEY 'referrer' VALUE referrer) AS event,
  `timestamp` AS sent_at, arrived_at
FROM pages_viewed
WHERE `timestamp` > arrived_at + INTERVAL '{{ definitions.clock_ahead_minutes }}' MINUTE OR page NOT LIKE '/%'
UNION ALL
SELECT 'add_to_cart' AS kind,
  CASE
    WHEN `timestamp` > arrived_at + INTERVAL '{{ definitions.clock_ahead_minutes }}' MINUTE THEN 'clock_ahead'
    WHEN quantity < 1 THEN 'quantity_not_positive'
  END AS reason,
  JSON_OBJECT(KEY 'user_id' VALUE user_id, KEY 'product_id' VALUE product_id, KEY 'quantity' VALUE quantity, KEY 'session_id' VALUE session_id) AS event,
  `timestamp` AS sent_at, arrived_at
FROM carts_added
WHERE `timestamp` > arrived_at + INTERVAL '{{ definitions.clock_ahead_minutes }}' MINUTE OR quantity < 1
UNION ALL
SELECT 'purchase' AS kind,
  CASE
    WHEN `timestamp` > arrived_at + INTERVAL '{{ definitions.clock_ahead_minutes }}' MINUTE THEN 'clock_ahead'
    WHEN total_amount <= 0 THEN 'total_is_not_positive'
    WHEN CARDINALITY(products) = 0 THEN 'nothing_bought'
  END AS reason,
  JSON_OBJECT(KEY 'user_id' VALUE user_id, KEY 'order_id' VALUE order_id, KEY 'products' VALUE CAST(products AS STRING), KEY 'total_amount' VALUE total_amount) AS event,
  `timestamp` AS sent_at, arrived_at
FROM orders_purchased
WHERE `timestamp` > arrived_at + INTERVAL '{{ definitions.clock_ahead_minutes }}' MINUTE OR total_amount <= 0 OR CARDINALITY(products) = 0
UNION ALL
SELECT 'inventory_update' AS kind,
  CASE
    WHEN `timestamp` > arrived_at + INTERVAL '{{ definitions.clock_ahead_minutes }}' MINUTE THEN 'clock_ahead'
    WHEN quantity_delta = 0 THEN 'changes_nothing'
  END AS reason,
  JSON_OBJECT(KEY 'product_id' VALUE product_id, KEY 'quantity_delta' VALUE quantity_delta, KEY 'warehouse_id' VALUE warehouse_id) AS event,
  `timestamp` AS sent_at, arrived_at
FROM stock_updated
WHERE `timestamp` > arrived_at + INTERVAL '{{ definitions.clock_ahead_minutes }}' MINUTE OR quantity_delta = 0
UNION ALL
SELECT 'search' AS kind,
  CASE
    WHEN `timestamp` > arrived_at + INTERVAL '{{ definitions.clock_ahead_minutes }}' MINUTE THEN 'clock_ahead'
    WHEN results_count < 0 THEN 'results_below_zero'
  END AS reason,
  JSON_OBJECT(KEY 'query' VALUE query, KEY 'user_id' VALUE user_id, KEY 'session_id' VALUE session_id, KEY 'results_count' VALUE results_count, KEY 'search_type' VALUE search_type) AS event,
  `timestamp` AS sent_at, arrived_at
FROM searches_made
WHERE `timestamp` > arrived_at + INTERVAL '{{ definitions.clock_ahead_minutes }}' MINUTE OR results_count < 0;

-- What was counted: each distinct valid event that was not late, by its identity.
CREATE TEMPORARY VIEW taken AS
SELECT 'page_view' AS kind, CONCAT_WS('|', session_id, DATE_FORMAT(`timestamp`, 'yyyy-MM-dd''T''HH:mm:ss.SSS'), page) AS event_id, user_id AS user_id,
  CAST(NULL AS BIGINT) AS product_id, `timestamp` AS sent_at, arrived_at
FROM pages_viewed_once
UNION ALL
SELECT 'add_to_cart' AS kind, CONCAT_WS('|', session_id, DATE_FORMAT(`timestamp`, 'yyyy-MM-dd''T''HH:mm:ss.SSS'), CAST(product_id AS STRING)) AS event_id, user_id AS user_id,
  product_id AS product_id, `timestamp` AS sent_at, arrived_at
FROM carts_added_once
UNION ALL
SELECT 'purchase' AS kind, CAST(order_id AS STRING) AS event_id, user_id AS user_id,
  CAST(NULL AS BIGINT) AS product_id, `timestamp` AS sent_at, arrived_at
FROM orders_purchased_once
UNION ALL
SELECT 'inventory_update' AS kind, CONCAT_WS('|', CAST(product_id AS STRING), CAST(warehouse_id AS STRING), DATE_FORMAT(`timestamp`, 'yyyy-MM-dd''T''HH:mm:ss.SSS')) AS event_id, CAST(NULL AS BIGINT) AS user_id,
  product_id AS product_id, `timestamp` AS sent_at, arrived_at
FROM stock_updated_once
UNION ALL
SELECT 'search' AS kind, CONCAT_WS('|', session_id, DATE_FORMAT(`timestamp`, 'yyyy-MM-dd''T''HH:mm:ss.SSS'), query) AS event_id, user_id AS user_id,
  CAST(NULL AS BIGINT) AS product_id, `timestamp` AS sent_at, arrived_at
FROM searches_made_once;

-- What became of the records of each kind that arrived in an hour: first what came within a second by the machine's clock,
-- in memory, then one correction a second. A record would else cost two reads and two writes of state.
CREATE TEMPORARY VIEW handled_each AS
SELECT kind, FLOOR(arrived_at TO HOUR) AS arrived_hour, records, broken, late, taken, PROCTIME() AS seen_at
FROM (
  SELECT 'page_view' AS kind, arrived_at, 1 AS records, 0 AS broken, 0 AS late, 0 AS taken FROM pages_viewed
  UNION ALL
  SELECT 'page_view', arrived_at, 0, 0, 1, 0 FROM pages_viewed_whole
  WHERE arrived_at > `timestamp` + INTERVAL '{{ definitions.lateness_minutes }}' MINUTE
  UNION ALL
  SELECT 'add_to_cart' AS kind, arrived_at, 1 AS records, 0 AS broken, 0 AS late, 0 AS taken FROM carts_added
  UNION ALL
  SELECT 'add_to_cart', arrived_at, 0, 0, 1, 0 FROM carts_added_whole
  WHERE arrived_at > `timestamp` + INTERVAL '{{ definitions.lateness_minutes }}' MINUTE
  UNION ALL
  SELECT 'purchase' AS kind, arrived_at, 1 AS records, 0 AS broken, 0 AS late, 0 AS taken FROM orders_purchased
  UNION ALL
  SELECT 'purchase', arrived_at, 0, 0, 1, 0 FROM orders_purchased_whole
  WHERE arrived_at > `timestamp` + INTERVAL '{{ definitions.lateness_minutes }}' MINUTE
  UNION ALL
  SELECT 'inventory_update' AS kind, arrived_at, 1 AS records, 0 AS broken, 0 AS late, 0 AS taken FROM stock_updated
  UNION ALL
  SELECT 'inventory_update', arrived_at, 0, 0, 1, 0 FROM stock_updated_whole
  WHERE arrived_at > `timestamp` + INTERVAL '{{ definitions.lateness_minutes }}' MINUTE
  UNION ALL
  SELECT 'search' AS kind, arrived_at, 1 AS records, 0 AS broken, 0 AS late, 0 AS taken FROM searches_made
  UNION ALL
  SELECT 'search', arrived_at, 0, 0, 1, 0 FROM searches_made_whole
  WHERE arrived_at > `timestamp` + INTERVAL '{{ definitions.lateness_minutes }}' MINUTE
  UNION ALL
  SELECT kind, arrived_at, 0, 1, 0, 0 FROM refused
  UNION ALL
  SELECT kind, arrived_at, 0, 0, 0, 1 FROM taken
);

CREATE TEMPORARY VIEW handled AS
SELECT kind, arrived_hour, CAST(SUM(records) AS BIGINT) AS records, CAST(SUM(broken) AS BIGINT) AS broken,
  CAST(SUM(late) AS BIGINT) AS late, CAST(SUM(taken) AS BIGINT) AS taken
FROM (
  SELECT kind, arrived_hour, SUM(records) AS records, SUM(broken) AS broken, SUM(late) AS late, SUM(taken) AS taken
  FROM TABLE(TUMBLE(TABLE handled_each, DESCRIPTOR(seen_at), INTERVAL '1' SECOND))
  GROUP BY window_start, window_end, kind, arrived_hour
)
GROUP BY kind, arrived_hour;
