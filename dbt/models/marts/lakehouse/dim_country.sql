select
    country,
    country = 'United Kingdom' as is_home,
    min(trade_date) as first_trade_date,
    max(trade_date) as last_trade_date
from {{ ref('stg_silver__invoice_lines') }}
group by country
