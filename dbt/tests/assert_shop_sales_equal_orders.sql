-- The lines of the sales add up to the totals of the orders, which the events told by themselves.
with orders as (

    select
        count(*) as orders,
        coalesce(sum(total_amount), 0) as amount_eur
    from {{ source('silver_ecommerce', 'events') }}
    where kind = 'purchase'

),

sales as (

    select
        count(distinct order_id) as orders,
        coalesce(sum(amount_eur), 0) as amount_eur
    from {{ ref('fct_shop_sales') }}

)

select
    orders.amount_eur as ordered_eur,
    sales.amount_eur as sold_eur
from orders
cross join sales
where orders.orders <> sales.orders or orders.amount_eur <> sales.amount_eur
