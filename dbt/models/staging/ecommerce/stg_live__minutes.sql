select
    cast(minute as timestamp(6)) as minute_at,
    page_views,
    cart_additions,
    orders,
    pieces,
    cast(revenue as decimal(14, 2)) as revenue_eur,
    searches,
    searches_without_result,
    searches_with_click,
    active_users
from {{ source('live_ecommerce', 'minutes') }}
