with days as (

    {{ calendar_days(ref('stg_silver__invoice_lines'), 'trade_date') }}

)

select
    calendar_date as trade_date,
    date_trunc('week', calendar_date) as trade_week,
    date_trunc('month', calendar_date) as trade_month,
    cast(year(calendar_date) as integer) as calendar_year,
    cast(day_of_week(calendar_date) as integer) as weekday_number,
    day_of_week(calendar_date) in (6, 7) as is_weekend
from days
