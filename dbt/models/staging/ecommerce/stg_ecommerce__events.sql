select
    event_id,
    kind,
    event_date,
    cast(happened_at as timestamp(6)) as happened_at,
    is_late,
    user_id,
    session_id,
    page,
    product_id,
    quantity,
    order_id,
    pieces,
    total_amount as total_amount_eur,
    query,
    search_type,
    results_count,
    clicks
from {{ source('silver_ecommerce', 'events') }}
