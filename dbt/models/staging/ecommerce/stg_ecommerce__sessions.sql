select
    user_id as customer_id,
    cast(begins_at as timestamp(6)) as begins_at,
    cast(ends_at as timestamp(6)) as ends_at,
    page_views,
    cart_additions,
    orders,
    searches,
    is_abandoned
from {{ source('silver_ecommerce', 'user_sessions') }}
where view = 'batch'
