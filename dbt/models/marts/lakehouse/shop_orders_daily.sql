with orders as (

    select * from {{ ref('stg_silver__shop_orders') }}

),

classified as (

    select
        placed_date,
        total_gbp,
        status in ('paid', 'shipped') as is_paid
    from orders

)

select
    placed_date,
    count(*) as orders,
    count_if(is_paid) as paid_orders,
    cast(sum(total_gbp) as decimal(20, 2)) as ordered_gbp,
    cast(sum(case when is_paid then total_gbp else 0 end) as decimal(20, 2)) as paid_gbp
from classified
group by placed_date
