-- The tests of this model compare it with these: they are built first.
-- depends_on: {{ ref('dim_date') }}

with purchases as (

    select distinct
        customer_id,
        date_trunc('month', trade_date) as purchase_month
    from {{ ref('int_customer_invoices_summed') }}
    where is_order

),

cohorts as (

    select
        customer_id,
        min(purchase_month) as cohort_month
    from purchases
    group by customer_id

),

active as (

    select
        cohorts.cohort_month,
        date_diff('month', cohorts.cohort_month, purchases.purchase_month) as month_number,
        count(*) as customers
    from purchases
    inner join cohorts
        on purchases.customer_id = cohorts.customer_id
    group by cohorts.cohort_month, date_diff('month', cohorts.cohort_month, purchases.purchase_month)

)

select
    cohort_month,
    month_number,
    customers,
    max(customers) over (partition by cohort_month) as cohort_size,
    cast(customers as double) / max(customers) over (partition by cohort_month) as retention
from active
