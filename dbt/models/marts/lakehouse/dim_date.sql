with bounds as (

    select
        min(trade_date) as first_date,
        max(trade_date) as last_date
    from {{ ref('stg_silver__invoice_lines') }}

),

months as (

    select month_start
    from bounds
    cross join
        unnest(
            sequence(
                date_trunc('month', coalesce(first_date, date '2020-01-01')),
                date_trunc('month', coalesce(last_date, date '2020-01-01')),
                interval '1' month
            )
        ) as calendar (month_start)

),

days as (

    select trade_date
    from months
    cross join unnest(sequence(month_start, last_day_of_month(month_start), interval '1' day)) as calendar (trade_date)

)

select
    trade_date,
    date_trunc('week', trade_date) as trade_week,
    date_trunc('month', trade_date) as trade_month,
    cast(year(trade_date) as integer) as calendar_year,
    cast(day_of_week(trade_date) as integer) as weekday_number,
    day_of_week(trade_date) in (6, 7) as is_weekend
from days
