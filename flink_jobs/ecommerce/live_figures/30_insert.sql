-- One job: late events, figures and sessions share the sources and their checkpoints.
SET 'table.local-time-zone' = 'UTC';

EXECUTE STATEMENT SET BEGIN

INSERT INTO pages_late SELECT user_id, page, `timestamp`, session_id, referrer, CAST(arrived_at AS TIMESTAMP_LTZ(3))
FROM pages_viewed_whole
WHERE arrived_at > `timestamp` + INTERVAL '{{ definitions.lateness_minutes }}' MINUTE;

INSERT INTO carts_late SELECT user_id, product_id, quantity, `timestamp`, session_id, CAST(arrived_at AS TIMESTAMP_LTZ(3))
FROM carts_added_whole
WHERE arrived_at > `timestamp` + INTERVAL '{{ definitions.lateness_minutes }}' MINUTE;

INSERT INTO orders_late SELECT user_id, order_id, products, total_amount, `timestamp`, CAST(arrived_at AS TIMESTAMP_LTZ(3))
FROM orders_purchased_whole
WHERE arrived_at > `timestamp` + INTERVAL '{{ definitions.lateness_minutes }}' MINUTE;

INSERT INTO stock_late SELECT product_id, quantity_delta, warehouse_id, `timestamp`, CAST(arrived_at AS TIMESTAMP_LTZ(3))
FROM stock_updated_whole
WHERE arrived_at > `timestamp` + INTERVAL '{{ definitions.lateness_minutes }}' MINUTE;

INSERT INTO searches_late SELECT query, user_id, session_id, `timestamp`, results_count, clicked_products, search_type, filters_applied, CAST(arrived_at AS TIMESTAMP_LTZ(3))
FROM searches_made_whole
WHERE arrived_at > `timestamp` + INTERVAL '{{ definitions.lateness_minutes }}' MINUTE;

INSERT INTO minutes_counted SELECT
  `minute`,
  page_views,
  cart_additions,
  orders,
  pieces,
  revenue,
  searches,
  searches_without_result,
  searches_with_click,
  active_users
FROM minutes;

INSERT INTO lake.silver_ecommerce.sessions SELECT
  user_id,
  CAST(begins_at AS TIMESTAMP_LTZ(6)),
  CAST(ends_at AS TIMESTAMP_LTZ(6)),
  page_views,
  cart_additions,
  orders,
  searches,
  is_abandoned
FROM user_sessions;

END;
