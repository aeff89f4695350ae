-- What users do, in one stream: a row an event, with what it counts for. Lines of purchases are not unfolded here: the
-- planner gives every UNNEST a number, takes no two uses of what is made of it for the same, and would compute minutes and
-- sessions once for each sink.
CREATE TEMPORARY FUNCTION pieces_of AS 'io.quintet.flink.PiecesOf';

CREATE TEMPORARY VIEW user_events AS
SELECT user_id, happened_at, `timestamp` AS sent_at, 1 AS page_views, 0 AS cart_additions, 0 AS orders, CAST(0 AS BIGINT) AS pieces,
  CAST(0 AS DECIMAL(14, 2)) AS revenue, 0 AS searches, 0 AS searches_without_result, 0 AS searches_with_click
FROM pages_viewed_once
UNION ALL
SELECT user_id, happened_at, `timestamp`, 0, 1, 0, 0, CAST(0 AS DECIMAL(14, 2)), 0, 0, 0
FROM carts_added_once
UNION ALL
SELECT user_id, happened_at, `timestamp`, 0, 0, 1, pieces_of(products), total_amount, 0, 0, 0
FROM orders_purchased_once
UNION ALL
SELECT user_id, happened_at, `timestamp`, 0, 0, 0, 0, CAST(0 AS DECIMAL(14, 2)), 1,
  CASE WHEN results_count = 0 THEN 1 ELSE 0 END, CASE WHEN CARDINALITY(clicked_products) > 0 THEN 1 ELSE 0 END
FROM searches_made_once;

-- What is told of users, in one state: a row for each minute in which they are active, when it is known, and a row for each
-- session, when nothing can belong to it any more. A pause as long as the gap does not end a session.
CREATE TEMPORARY FUNCTION user_figures_of AS 'io.quintet.flink.UserFigures';

CREATE TEMPORARY VIEW user_deeds AS
SELECT user_id, happened_at, sent_at, page_views, cart_additions, orders, searches
FROM user_events;

CREATE TEMPORARY VIEW user_figures AS
SELECT user_id, active_minute, begins_at, ends_at, page_views, cart_additions, orders, searches, is_abandoned
FROM user_figures_of(
  TABLE user_deeds PARTITION BY user_id, {{ definitions.session_gap_minutes }}, DEFAULT, 'user-figures'
);

CREATE TEMPORARY VIEW user_sessions AS
SELECT
  user_id,
  CAST(begins_at AS TIMESTAMP_LTZ(6)) AS begins_at,
  CAST(ends_at AS TIMESTAMP_LTZ(6)) AS ends_at,
  page_views,
  cart_additions,
  orders,
  searches,
  is_abandoned
FROM user_figures
WHERE begins_at IS NOT NULL;

CREATE TEMPORARY VIEW minutes_each AS
SELECT *, PROCTIME() AS seen_at
FROM (
  SELECT FLOOR(sent_at TO MINUTE) AS `minute`, page_views, cart_additions, orders, pieces, revenue, searches,
    searches_without_result, searches_with_click, 0 AS active_users
  FROM user_events
  UNION ALL
  SELECT active_minute, 0, 0, 0, 0, CAST(0 AS DECIMAL(14, 2)), 0, 0, 0, 1
  FROM user_figures
  WHERE active_minute IS NOT NULL
);

-- Figures of each minute, corrected every second with what came in it.
CREATE TEMPORARY VIEW minutes AS
SELECT
  `minute`,
  CAST(SUM(page_views) AS BIGINT) AS page_views,
  CAST(SUM(cart_additions) AS BIGINT) AS cart_additions,
  CAST(SUM(orders) AS BIGINT) AS orders,
  CAST(SUM(pieces) AS BIGINT) AS pieces,
  CAST(SUM(revenue) AS DECIMAL(14, 2)) AS revenue,
  CAST(SUM(searches) AS BIGINT) AS searches,
  CAST(SUM(searches_without_result) AS BIGINT) AS searches_without_result,
  CAST(SUM(searches_with_click) AS BIGINT) AS searches_with_click,
  CAST(SUM(active_users) AS BIGINT) AS active_users
FROM (
  SELECT
    `minute`,
    SUM(page_views) AS page_views,
    SUM(cart_additions) AS cart_additions,
    SUM(orders) AS orders,
    SUM(pieces) AS pieces,
    SUM(revenue) AS revenue,
    SUM(searches) AS searches,
    SUM(searches_without_result) AS searches_without_result,
    SUM(searches_with_click) AS searches_with_click,
    SUM(active_users) AS active_users
  FROM TABLE(TUMBLE(TABLE minutes_each, DESCRIPTOR(seen_at), INTERVAL '1' SECOND))
  GROUP BY window_start, window_end, `minute`
)
GROUP BY `minute`;

-- Points of products, a row each time that somebody shows interest.
CREATE TEMPORARY VIEW product_points AS
SELECT TRY_CAST(SUBSTRING(page FROM 10) AS BIGINT) AS product_id, {{ definitions.points_page_view }} AS points, happened_at
FROM pages_viewed_once
-- A number too large for a product is none.
WHERE REGEXP(page, '^/product/[0-9]+$') AND TRY_CAST(SUBSTRING(page FROM 10) AS BIGINT) IS NOT NULL
UNION ALL
SELECT product_id, {{ definitions.points_add_to_cart }}, happened_at
FROM carts_added_once
UNION ALL
SELECT line.product_id, line.quantity * {{ definitions.points_purchase }}, happened_at
FROM orders_purchased_once CROSS JOIN UNNEST(products) AS line (product_id, quantity, unit_price);

-- The products of most points of each window, when it is over; of equal ones those with the smaller number.
CREATE TEMPORARY VIEW trends AS
SELECT window_start AS window_begins_at, place, product_id, points
FROM (
  SELECT window_start, window_end, product_id, points,
    ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY points DESC, product_id ASC) AS place
  FROM (
    SELECT window_start, window_end, product_id, CAST(SUM(points) AS BIGINT) AS points
    FROM TABLE(
      TUMBLE(TABLE product_points, DESCRIPTOR(happened_at), INTERVAL '{{ definitions.trending_window_minutes }}' MINUTE)
    )
    GROUP BY window_start, window_end, product_id
  )
)
WHERE place <= {{ definitions.trending_top }};

-- Orders with how many their user has placed within so long, this one included.
CREATE TEMPORARY VIEW orders_in_row AS
SELECT order_id, user_id, total_amount, `timestamp` AS ordered_at,
  COUNT(*) OVER (
    PARTITION BY user_id ORDER BY happened_at
    RANGE BETWEEN INTERVAL '{{ definitions.burst_span_minutes }}' MINUTE PRECEDING AND CURRENT ROW
  ) AS recent
FROM orders_purchased_once;

-- Suspicious orders, a row an order and reason. An order with two large lines is named twice, which changes nothing.
CREATE TEMPORARY VIEW suspicions AS
SELECT order_id, 'order_burst' AS reason, user_id, total_amount, ordered_at
FROM orders_in_row
WHERE recent >= {{ definitions.burst_orders }}
UNION ALL
SELECT order_id, 'large_order', user_id, total_amount, `timestamp`
FROM orders_purchased_once
WHERE total_amount >= {{ definitions.large_order }}
UNION ALL
SELECT order_id, 'bulk_line', user_id, total_amount, `timestamp`
FROM orders_purchased_once CROSS JOIN UNNEST(products) AS line (product_id, quantity, unit_price)
WHERE line.quantity >= {{ definitions.bulk_pieces }};
