select
    cast(minute as timestamp(6)) as minute_at,
    page_views,
    cart_additions,
    orders,
    pieces,
    revenue as revenue_eur,
    searches,
    searches_without_result,
    searches_with_click,
    active_users
from {{ source('silver_ecommerce', 'minute_figures') }}
where view = 'batch'
