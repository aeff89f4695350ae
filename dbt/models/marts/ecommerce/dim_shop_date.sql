with days as (

    {{ calendar_days(ref('stg_ecommerce__events'), 'event_date') }}

)

select
    calendar_date,
    date_trunc('week', calendar_date) as calendar_week,
    date_trunc('month', calendar_date) as calendar_month,
    cast(year(calendar_date) as integer) as calendar_year,
    cast(quarter(calendar_date) as integer) as calendar_quarter,
    cast(day_of_week(calendar_date) as integer) as weekday_number,
    day_of_week(calendar_date) in (6, 7) as is_weekend
from days
