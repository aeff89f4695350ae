-- Every line of silver is in exactly one of the four sums of a day. Silver itself is asked, not its staging model:
-- a test belongs to each model that it reads, and Airflow waits for it before it builds anything from that model.
with silver as (

    select sum(line_amount_gbp) as total_gbp
    from {{ source('silver_lakehouse', 'invoice_lines') }}

),

gold as (

    select
        sum(net_gbp) as net_gbp,
        sum(revenue_gbp + returns_gbp + other_gbp) as parts_gbp
    from {{ ref('revenue_daily') }}

)

select
    silver.total_gbp,
    gold.net_gbp,
    gold.parts_gbp
from silver
cross join gold
where
    coalesce(silver.total_gbp, 0) <> coalesce(gold.net_gbp, 0)
    or coalesce(silver.total_gbp, 0) <> coalesce(gold.parts_gbp, 0)
