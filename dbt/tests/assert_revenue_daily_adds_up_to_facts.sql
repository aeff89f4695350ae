-- Sold lines and returned lines of the facts are the revenue and the returns of the days.
with totals as (

    select
        (select coalesce(sum(revenue_gbp), 0) from {{ ref('revenue_daily') }}) as revenue_by_day,
        (select coalesce(sum(line_amount_gbp), 0) from {{ ref('fct_sales') }}) as revenue_by_line,
        (select coalesce(sum(returns_gbp), 0) from {{ ref('revenue_daily') }}) as returns_by_day,
        (select coalesce(sum(line_amount_gbp), 0) from {{ ref('fct_returns') }}) as returns_by_line

)

select * from totals
where revenue_by_day <> revenue_by_line or returns_by_day <> returns_by_line
