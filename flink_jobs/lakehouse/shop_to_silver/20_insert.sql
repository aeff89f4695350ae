-- One job: six copies that share its checkpoints. Long numbers become whole ones by way of a text: one that is too large
-- stops the job, where a plain cast would make another number of it.
SET 'table.local-time-zone' = 'UTC';

EXECUTE STATEMENT SET BEGIN

INSERT INTO lake.silver_lakehouse.shop_customers SELECT
  customer_id,
  name,
  email,
  segment,
  credit_limit,
  is_active,
  CAST(CAST(REPLACE(REPLACE(effective_at, 'T', ' '), 'Z', '') AS TIMESTAMP(6)) AS TIMESTAMP_LTZ(6)),
  CAST(CAST(REPLACE(REPLACE(updated_at, 'T', ' '), 'Z', '') AS TIMESTAMP(6)) AS TIMESTAMP_LTZ(6))
FROM customers_changes;

INSERT INTO lake.silver_lakehouse.shop_addresses SELECT
  address_id,
  customer_id,
  kind,
  street,
  city,
  postal_code,
  country,
  TIMESTAMPADD(DAY, valid_from, DATE '1970-01-01'),
  CAST(CAST(REPLACE(REPLACE(updated_at, 'T', ' '), 'Z', '') AS TIMESTAMP(6)) AS TIMESTAMP_LTZ(6))
FROM addresses_changes;

INSERT INTO lake.silver_lakehouse.shop_products SELECT
  product_code,
  title,
  description,
  category,
  list_price,
  weight_kg,
  CAST(CAST(REPLACE(REPLACE(updated_at, 'T', ' '), 'Z', '') AS TIMESTAMP(6)) AS TIMESTAMP_LTZ(6))
FROM products_changes;

INSERT INTO lake.silver_lakehouse.shop_orders SELECT
  order_id,
  customer_id,
  status,
  `total`,
  CAST(CAST(REPLACE(REPLACE(placed_at, 'T', ' '), 'Z', '') AS TIMESTAMP(6)) AS TIMESTAMP_LTZ(6)),
  CAST(CAST(REPLACE(REPLACE(updated_at, 'T', ' '), 'Z', '') AS TIMESTAMP(6)) AS TIMESTAMP_LTZ(6))
FROM orders_changes;

INSERT INTO lake.silver_lakehouse.shop_order_lines SELECT
  order_id,
  CAST(CAST(line_number AS STRING) AS INT),
  product_code,
  CAST(CAST(quantity AS STRING) AS INT),
  unit_price
FROM order_lines_changes;

INSERT INTO lake.silver_lakehouse.shop_payments SELECT
  payment_id,
  order_id,
  `method`,
  amount,
  status,
  CAST(CAST(REPLACE(REPLACE(paid_at, 'T', ' '), 'Z', '') AS TIMESTAMP(6)) AS TIMESTAMP_LTZ(6))
FROM payments_changes;

END;
