-- The tests of this model compare it with these: they are built first.
-- depends_on: {{ ref('dim_customer') }}

with orders as (

    select * from {{ ref('int_customer_invoices_summed') }}
    where is_order

),

aged as (

    select
        customer_id,
        invoice_id,
        sales_gbp,
        date_diff('day', trade_date, max(trade_date) over ()) as age_days
    from orders

)

select
    customer_id,
    count(distinct invoice_id) as orders,
    cast(sum(sales_gbp) as decimal(20, 4)) as past_value_gbp,
    max(age_days) + 1 as observed_days,
    min(age_days) as silent_days,
    cast({{ decayed_value('sales_gbp', 'age_days') }} as decimal(20, 4)) as forecast_value_gbp
from aged
group by customer_id
