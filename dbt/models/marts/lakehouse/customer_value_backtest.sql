-- Forecasts made as of earlier days, beside what came after. A cut-off has a horizon of days before and after it.
{% set horizon_days = var('value_horizon_days') %}

with orders as (

    select * from {{ ref('int_customer_invoices_summed') }}
    where is_order

),

bounds as (

    select
        min(trade_date) as first_date,
        max(trade_date) as last_date,
        date_diff('day', min(trade_date), max(trade_date)) / {{ horizon_days }} as horizons
    from orders

),

cutoffs as (

    select date_add('day', -{{ horizon_days }} * step, last_date) as cutoff_date
    from bounds
    cross join unnest(sequence(1, horizons)) as steps (step)
    -- A sequence to 0 runs down.
    where step >= 1 and date_diff('day', first_date, last_date) + 1 >= {{ horizon_days }} * (step + 1)

),

aged as (

    select
        cutoffs.cutoff_date,
        orders.customer_id,
        orders.sales_gbp,
        date_diff('day', orders.trade_date, cutoffs.cutoff_date) as age_days,
        case when orders.trade_date <= cutoffs.cutoff_date then orders.sales_gbp else 0 end as past_gbp
    from orders
    cross join cutoffs

),

fitted as (

    select
        cutoff_date,
        customer_id,
        {{ decayed_value('past_gbp', 'greatest(age_days, 0)') }} as decayed_gbp,
        sum(case when age_days < {{ horizon_days }} then past_gbp else 0 end) as last_period_gbp,
        sum(case when age_days < 0 and age_days >= -{{ horizon_days }} then sales_gbp else 0 end) as actual_gbp
    from aged
    group by cutoff_date, customer_id
    having max(age_days) >= 0

),

compared as (

    select
        cutoff_date,
        customer_id,
        decayed_gbp,
        cast(last_period_gbp as double) as last_period_gbp,
        avg(cast(last_period_gbp as double)) over (partition by cutoff_date) as mean_gbp,
        cast(actual_gbp as double) as actual_gbp
    from fitted

)

select
    compared.cutoff_date,
    forecasts.method,
    count(*) as customers,
    cast(avg(compared.actual_gbp) as decimal(20, 4)) as mean_actual_gbp,
    cast(avg(forecasts.forecast_gbp) as decimal(20, 4)) as mean_forecast_gbp,
    cast(avg(abs(forecasts.forecast_gbp - compared.actual_gbp)) as decimal(20, 4)) as mean_absolute_error_gbp
from compared
cross join
    unnest(
        array['decayed spend', 'last period', 'mean of all'],
        array[compared.decayed_gbp, compared.last_period_gbp, compared.mean_gbp]
    ) as forecasts (method, forecast_gbp)
group by compared.cutoff_date, forecasts.method
