-- The tests of this model compare it with these: they are built first.
-- depends_on: {{ ref('dim_shop_date') }}

with sales as (

    select
        order_date as calendar_date,
        count(distinct order_id) as orders,
        count(distinct customer_id) as buyers,
        sum(quantity) as pieces,
        sum(amount_eur) as revenue_eur
    from {{ ref('fct_shop_sales') }}
    group by order_date

),

sessions as (

    select
        date(begins_at) as calendar_date,
        count(*) as sessions,
        count_if(cart_additions > 0) as carts,
        count_if(is_abandoned) as abandoned_carts,
        count_if(orders > 0) as buying_sessions
    from {{ ref('stg_ecommerce__sessions') }}
    group by date(begins_at)

)

select
    coalesce(sales.calendar_date, sessions.calendar_date) as calendar_date,
    coalesce(sales.orders, 0) as orders,
    coalesce(sales.buyers, 0) as buyers,
    coalesce(sales.pieces, 0) as pieces,
    cast(coalesce(sales.revenue_eur, 0) as decimal(16, 2)) as revenue_eur,
    coalesce(sessions.sessions, 0) as sessions,
    coalesce(sessions.carts, 0) as carts,
    coalesce(sessions.abandoned_carts, 0) as abandoned_carts,
    coalesce(sessions.buying_sessions, 0) as buying_sessions
from sales
full outer join sessions on sales.calendar_date = sessions.calendar_date
