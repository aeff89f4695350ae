-- The tests of this model compare it with these: they are built first.
-- depends_on: {{ ref('dim_shop_customer') }}

with orders as (

    select
        customer_id,
        order_id,
        max(ordered_at) as ordered_at,
        sum(amount_eur) as amount_eur
    from {{ ref('fct_shop_sales') }}
    group by customer_id, order_id

),

measured as (

    select
        customer_id,
        date_diff('day', date(max(ordered_at)), date(max(max(ordered_at)) over ())) as recency_days,
        count(*) as orders,
        cast(sum(amount_eur) as decimal(16, 2)) as revenue_eur
    from orders
    group by customer_id

),

scored as (

    select
        *,
        cast(ntile(4) over (order by recency_days desc, customer_id asc) as integer) as recency_score,
        cast(ntile(4) over (order by orders, customer_id) as integer) as frequency_score,
        cast(ntile(4) over (order by revenue_eur, customer_id) as integer) as value_score
    from measured

)

select
    customer_id,
    recency_days,
    orders,
    revenue_eur,
    recency_score,
    frequency_score,
    value_score,
    case
        when recency_score = 4 and value_score = 4 then 'best'
        when recency_score = 1 and value_score = 4 then 'lost and dear'
        when frequency_score = 4 then 'comes often'
        when recency_score = 4 then 'just bought'
        when recency_score = 1 then 'lost'
        else 'others'
    end as segment
from scored
