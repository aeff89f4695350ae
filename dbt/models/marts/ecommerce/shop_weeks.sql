-- The weekly report: the week, the week before, and what changed.
with weeks as (

    select
        date_trunc('week', calendar_date) as calendar_week,
        sum(orders) as orders,
        sum(pieces) as pieces,
        cast(sum(revenue_eur) as decimal(16, 2)) as revenue_eur,
        sum(sessions) as sessions,
        sum(carts) as carts,
        sum(abandoned_carts) as abandoned_carts,
        sum(buying_sessions) as buying_sessions,
        count(*) as days
    from {{ ref('shop_days') }}
    group by date_trunc('week', calendar_date)

)

select
    calendar_week,
    days,
    orders,
    pieces,
    revenue_eur,
    sessions,
    carts,
    abandoned_carts,
    cast(1.0000 * revenue_eur / nullif(orders, 0) as decimal(16, 2)) as revenue_per_order_eur,
    cast(1.0000 * buying_sessions / nullif(sessions, 0) as decimal(6, 4)) as conversion_share,
    cast(1.0000 * abandoned_carts / nullif(carts, 0) as decimal(6, 4)) as abandoned_share,
    -- Of the calendar week before: after a week without anything there is none to compare with.
    case
        when lag(calendar_week) over (order by calendar_week) = calendar_week - interval '7' day
            then revenue_eur - lag(revenue_eur) over (order by calendar_week)
    end as revenue_change_eur
from weeks
