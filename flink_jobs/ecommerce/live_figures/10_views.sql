-- Whole events: those that break no rule. Late ones go their own way; of the others the first to arrive stays. An event is
-- one by its identity: what comes again within the memory of the job is left out.

CREATE TEMPORARY VIEW pages_viewed_whole AS
SELECT user_id, page, `timestamp`, session_id, referrer, arrived_at, happened_at
FROM pages_viewed
WHERE NOT (page NOT LIKE '/%') AND NOT (`timestamp` > arrived_at + INTERVAL '{{ definitions.clock_ahead_minutes }}' MINUTE);

CREATE TEMPORARY VIEW pages_viewed_once AS
SELECT user_id, page, `timestamp`, session_id, referrer, arrived_at, happened_at
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY session_id, `timestamp`, page ORDER BY PROCTIME()) AS place
  FROM pages_viewed_whole
  WHERE NOT (arrived_at > `timestamp` + INTERVAL '{{ definitions.lateness_minutes }}' MINUTE)
)
WHERE place = 1;

CREATE TEMPORARY VIEW carts_added_whole AS
SELECT user_id, product_id, quantity, `timestamp`, session_id, arrived_at, happened_at
FROM carts_added
WHERE NOT (quantity < 1) AND NOT (`timestamp` > arrived_at + INTERVAL '{{ definitions.clock_ahead_minutes }}' MINUTE);

CREATE TEMPORARY VIEW carts_added_once AS
SELECT user_id, product_id, quantity, `timestamp`, session_id, arrived_at, happened_at
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY session_id, `timestamp`, product_id ORDER BY PROCTIME()) AS place
  FROM carts_added_whole
  WHERE NOT (arrived_at > `timestamp` + INTERVAL '{{ definitions.lateness_minutes }}' MINUTE)
)
WHERE place = 1;

CREATE TEMPORARY VIEW orders_purchased_whole AS
SELECT user_id, order_id, products, total_amount, `timestamp`, arrived_at, happened_at
FROM orders_purchased
WHERE NOT (total_amount <= 0 OR CARDINALITY(products) = 0) AND NOT (`timestamp` > arrived_at + INTERVAL '{{ definitions.clock_ahead_minutes }}' MINUTE);

CREATE TEMPORARY VIEW orders_purchased_once AS
SELECT user_id, order_id, products, total_amount, `timestamp`, arrived_at, happened_at
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY order_id ORDER BY PROCTIME()) AS place
  FROM orders_purchased_whole
  WHERE NOT (arrived_at > `timestamp` + INTERVAL '{{ definitions.lateness_minutes }}' MINUTE)
)
WHERE place = 1;

CREATE TEMPORARY VIEW stock_updated_whole AS
SELECT product_id, quantity_delta, warehouse_id, `timestamp`, arrived_at, happened_at
FROM stock_updated
WHERE NOT (quantity_delta = 0) AND NOT (`timestamp` > arrived_at + INTERVAL '{{ definitions.clock_ahead_minutes }}' MINUTE);

CREATE TEMPORARY VIEW stock_updated_once AS
SELECT product_id, quantity_delta, warehouse_id, `timestamp`, arrived_at, happened_at
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY product_id, warehouse_id, `timestamp` ORDER BY PROCTIME()) AS place
  FROM stock_updated_whole
  WHERE NOT (arrived_at > `timestamp` + INTERVAL '{{ definitions.lateness_minutes }}' MINUTE)
)
WHERE place = 1;

CREATE TEMPORARY VIEW searches_made_whole AS
SELECT query, user_id, session_id, `timestamp`, results_count, clicked_products, search_type, filters_applied, arrived_at, happened_at
FROM searches_made
WHERE NOT (results_count < 0) AND NOT (`timestamp` > arrived_at + INTERVAL '{{ definitions.clock_ahead_minutes }}' MINUTE);

CREATE TEMPORARY VIEW searches_made_once AS
SELECT query, user_id, session_id, `timestamp`, results_count, clicked_products, search_type, filters_applied, arrived_at, happened_at
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY session_id, `timestamp`, query ORDER BY PROCTIME()) AS place
  FROM searches_made_whole
  WHERE NOT (arrived_at > `timestamp` + INTERVAL '{{ definitions.lateness_minutes }}' MINUTE)
)
WHERE place = 1;
