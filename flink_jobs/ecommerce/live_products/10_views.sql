-- Lines of whole orders that were not late, each with the product as it was at that moment.
CREATE TEMPORARY VIEW order_lines AS
SELECT order_id, user_id, line_number, product_id, quantity, unit_price, `timestamp` AS ordered_at, happened_at
FROM orders_purchased CROSS JOIN UNNEST(products) WITH ORDINALITY AS line (product_id, quantity, unit_price, line_number)
WHERE NOT (total_amount <= 0 OR CARDINALITY(products) = 0)
  AND NOT (`timestamp` > arrived_at + INTERVAL '{{ definitions.clock_ahead_minutes }}' MINUTE)
  AND NOT (arrived_at > `timestamp` + INTERVAL '{{ definitions.lateness_minutes }}' MINUTE);

CREATE TEMPORARY VIEW lines_with_product AS
SELECT order_lines.order_id, order_lines.user_id, order_lines.line_number, order_lines.product_id, order_lines.quantity,
  order_lines.unit_price, order_lines.ordered_at, order_lines.happened_at, products_changed.category, products_changed.brand,
  products_changed.price AS list_price
FROM order_lines
JOIN products_changed FOR SYSTEM_TIME AS OF order_lines.happened_at ON order_lines.product_id = products_changed.product_id;

-- Repetitions of an order lie in the same minute, for they carry its time: what was seen is forgotten after that minute.
CREATE TEMPORARY VIEW priced_lines AS
SELECT order_id, CAST(line_number AS INT) AS line_number, user_id, product_id, quantity, unit_price, category, brand,
  list_price, ordered_at
FROM (
  SELECT *, ROW_NUMBER() OVER (
    PARTITION BY window_start, window_end, order_id, line_number ORDER BY happened_at
  ) AS place
  FROM TABLE(TUMBLE(TABLE lines_with_product, DESCRIPTOR(happened_at), INTERVAL '1' MINUTE))
)
WHERE place = 1;

-- Changes of the stock that break no rule and were not late, each once.
CREATE TEMPORARY VIEW stock_whole AS
SELECT product_id, quantity_delta, warehouse_id, `timestamp` AS sent_at, happened_at
FROM stock_updated
WHERE NOT (quantity_delta = 0) AND NOT (`timestamp` > arrived_at + INTERVAL '{{ definitions.clock_ahead_minutes }}' MINUTE)
  AND NOT (arrived_at > `timestamp` + INTERVAL '{{ definitions.lateness_minutes }}' MINUTE);

CREATE TEMPORARY VIEW stock_once AS
SELECT product_id, quantity_delta, window_start, window_end, window_time
FROM (
  SELECT *, ROW_NUMBER() OVER (
    PARTITION BY window_start, window_end, product_id, warehouse_id, sent_at ORDER BY happened_at
  ) AS place
  FROM TABLE(TUMBLE(TABLE stock_whole, DESCRIPTOR(happened_at), INTERVAL '1' MINUTE))
)
WHERE place = 1;

CREATE TEMPORARY VIEW stock_by_minute AS
SELECT product_id, window_start, window_end, window_time, CAST(SUM(quantity_delta) AS BIGINT) AS change
FROM stock_once
GROUP BY product_id, window_start, window_end, window_time;

CREATE TEMPORARY VIEW stock_moved AS
SELECT product_id, window_start, window_time, change,
  SUM(change) OVER (
    PARTITION BY product_id ORDER BY window_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  ) AS moved
FROM stock_by_minute;

-- Pieces of a product at the end of each minute in which they changed.
CREATE TEMPORARY VIEW stock_levels AS
SELECT stock_moved.product_id, stock_moved.window_start AS `minute`, stock_moved.change AS change,
  products_changed.inventory_count + stock_moved.moved AS pieces, products_changed.reorder_point
FROM stock_moved
JOIN products_changed FOR SYSTEM_TIME AS OF stock_moved.window_time ON stock_moved.product_id = products_changed.product_id;
