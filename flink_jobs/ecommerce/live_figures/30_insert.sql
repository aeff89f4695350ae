-- One job: late events, figures, flags and sessions share the sources, the de-duplication and their checkpoints.
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
  begins_at,
  ends_at,
  page_views,
  cart_additions,
  orders,
  searches,
  is_abandoned
FROM user_sessions;

INSERT INTO live_minutes SELECT
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

INSERT INTO live_handled SELECT kind, arrived_hour, records, broken, late, taken FROM handled;

INSERT INTO live_abandoned_carts SELECT user_id, CAST(begins_at AS TIMESTAMP(3)), CAST(ends_at AS TIMESTAMP(3)), cart_additions FROM user_sessions WHERE is_abandoned;

INSERT INTO live_suspicious_orders SELECT order_id, reason, user_id, total_amount, ordered_at FROM suspicions;

INSERT INTO live_trending SELECT window_begins_at, place, product_id, points FROM trends;

INSERT INTO lake.silver_ecommerce.live_events SELECT
  kind,
  event_id,
  user_id,
  product_id,
  CAST(sent_at AS TIMESTAMP_LTZ(6)),
  CAST(arrived_at AS TIMESTAMP_LTZ(6))
FROM taken;

INSERT INTO lake.silver_ecommerce.live_events__quarantine SELECT
  kind,
  reason,
  event,
  CAST(sent_at AS TIMESTAMP_LTZ(6)),
  CAST(arrived_at AS TIMESTAMP_LTZ(6))
FROM refused;

END;
