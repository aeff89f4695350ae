-- The tests of this model compare it with these: they are built first.
-- depends_on: {{ ref('dim_customer') }}

with invoices as (

    select * from {{ ref('int_customer_invoices_summed') }}

),

measured as (

    select
        customer_id,
        date_diff('day', max(case when is_order then trade_date end), max(max(trade_date)) over ()) as recency_days,
        count(distinct case when is_order then invoice_id end) as orders,
        cast(sum(sales_gbp + returns_gbp) as decimal(20, 4)) as monetary_value_gbp
    from invoices
    group by customer_id
    having bool_or(is_order)

),

scored as (

    select
        *,
        cast(ntile(5) over (order by recency_days desc, customer_id asc) as integer) as recency_score,
        cast(ntile(5) over (order by orders, customer_id) as integer) as frequency_score,
        cast(ntile(5) over (order by monetary_value_gbp, customer_id) as integer) as monetary_score
    from measured

)

select
    customer_id,
    recency_days,
    orders,
    monetary_value_gbp,
    recency_score,
    frequency_score,
    monetary_score,
    case
        when recency_score >= 4 and frequency_score >= 4 then 'champion'
        when frequency_score >= 4 then 'loyal'
        when recency_score >= 4 then 'new or promising'
        when recency_score <= 2 and monetary_score >= 4 then 'valuable, at risk'
        when recency_score <= 2 then 'lapsed'
        else 'regular'
    end as segment
from scored
