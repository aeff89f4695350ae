select
    date_trunc('month', trade_date) as trade_month,
    cast(sum(revenue_gbp) as decimal(20, 4)) as revenue_gbp,
    cast(sum(returns_gbp) as decimal(20, 4)) as returns_gbp,
    cast(sum(other_gbp) as decimal(20, 4)) as other_gbp,
    cast(sum(net_gbp) as decimal(20, 4)) as net_gbp,
    sum(orders) as orders,
    sum(pieces) as pieces,
    count(*) as trading_days
from {{ ref('revenue_daily') }}
group by date_trunc('month', trade_date)
