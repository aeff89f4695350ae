with totals as (

    select
        (select coalesce(sum(net_gbp), 0) from {{ ref('revenue_daily') }}) as by_day,
        (select coalesce(sum(net_gbp), 0) from {{ ref('revenue_weekly') }}) as by_period,
        (select coalesce(sum(revenue_gbp), 0) from {{ ref('revenue_daily') }}) as revenue_by_day,
        (select coalesce(sum(revenue_gbp), 0) from {{ ref('revenue_weekly') }}) as revenue_by_period

)

select * from totals
where by_day <> by_period or revenue_by_day <> revenue_by_period
