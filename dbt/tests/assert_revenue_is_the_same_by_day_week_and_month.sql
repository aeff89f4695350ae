with totals as (

    select
        (select coalesce(sum(revenue_gbp), 0) from {{ ref('revenue_daily') }}) as by_day,
        (select coalesce(sum(revenue_gbp), 0) from {{ ref('revenue_weekly') }}) as by_week,
        (select coalesce(sum(revenue_gbp), 0) from {{ ref('revenue_monthly') }}) as by_month,
        (select coalesce(sum(line_amount_gbp), 0) from {{ ref('fct_sales') }}) as by_line

)

select * from totals
where by_day <> by_week or by_day <> by_month or by_day <> by_line
