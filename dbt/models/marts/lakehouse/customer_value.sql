-- The tests of this model compare it with these: they are built first.
-- depends_on: {{ ref('dim_customer') }}

{% set horizon_days = var('value_horizon_days', 90) %}

with sales as (

    select * from {{ ref('fct_sales') }}
    where customer_id is not null

),

measured as (

    select
        customer_id,
        count(distinct invoice_id) as orders,
        cast(sum(line_amount_gbp) as decimal(20, 4)) as past_value_gbp,
        date_diff('day', min(trade_date), max(max(trade_date)) over ()) + 1 as observed_days,
        date_diff('day', max(trade_date), max(max(trade_date)) over ()) as silent_days
    from sales
    group by customer_id

)

-- Mean rate x horizon, damped by how long the customer has been silent against the own mean pause between orders.
select
    customer_id,
    orders,
    past_value_gbp,
    observed_days,
    silent_days,
    cast(
        cast(past_value_gbp as double) / observed_days * {{ horizon_days }}
        * least(1.0, (cast(observed_days as double) / orders) / greatest(silent_days, 1))
        as decimal(20, 4)
    ) as forecast_value_gbp
from measured
