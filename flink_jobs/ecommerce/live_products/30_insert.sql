-- One job: lines of orders, stock and shortages share the dimension and their checkpoints.
SET 'table.local-time-zone' = 'UTC';

EXECUTE STATEMENT SET BEGIN

INSERT INTO live_stock SELECT product_id, pieces, `minute` FROM stock_levels;

INSERT INTO live_shortages SELECT product_id, `minute`, pieces, reorder_point
FROM stock_levels
WHERE pieces <= reorder_point AND pieces - change > reorder_point;

INSERT INTO lake.silver_ecommerce.priced_order_lines SELECT
  order_id,
  line_number,
  user_id,
  product_id,
  quantity,
  unit_price,
  category,
  brand,
  list_price,
  CAST(ordered_at AS TIMESTAMP_LTZ(6))
FROM priced_lines;

END;
