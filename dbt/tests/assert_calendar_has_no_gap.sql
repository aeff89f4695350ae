-- As many days as there are from the first to the last.
with bounds as (

    select
        count(*) as days,
        date_diff('day', min(trade_date), max(trade_date)) + 1 as expected_days
    from {{ ref('dim_date') }}

)

select * from bounds
where days <> expected_days
