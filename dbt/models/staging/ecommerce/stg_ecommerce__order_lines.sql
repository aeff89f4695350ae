select
    order_id,
    line_number,
    event_date as order_date,
    cast(ordered_at as timestamp(6)) as ordered_at,
    is_late,
    user_id as customer_id,
    product_id,
    quantity,
    unit_price as unit_price_eur
from {{ source('silver_ecommerce', 'order_lines') }}
