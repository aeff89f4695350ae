with bounds as (

    select
        min(event_date) as first_date,
        max(event_date) as last_date
    from {{ ref('stg_ecommerce__events') }}

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

    select calendar_date
    from months
    cross join
        unnest(sequence(month_start, last_day_of_month(month_start), interval '1' day)) as calendar (calendar_date)

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
