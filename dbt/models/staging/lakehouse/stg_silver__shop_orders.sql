select
    order_id,
    customer_id,
    status,
    total as total_gbp,
    cast(placed_at as timestamp(6)) as placed_at,
    cast(placed_at as date) as placed_date
from {{ source('silver_lakehouse', 'shop_orders') }}
