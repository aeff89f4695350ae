with totals as (

    select
        (select coalesce(sum(revenue_eur), 0) from {{ ref('shop_days') }}) as by_day,
        (select coalesce(sum(revenue_eur), 0) from {{ ref('shop_weeks') }}) as by_week,
        (select coalesce(sum(abandoned_carts), 0) from {{ ref('shop_days') }}) as abandoned_by_day,
        (select coalesce(sum(abandoned_carts), 0) from {{ ref('shop_weeks') }}) as abandoned_by_week

)

select * from totals
where by_day <> by_week or abandoned_by_day <> abandoned_by_week
