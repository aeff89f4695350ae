-- The tests of this model compare it with these: they are built first.
-- depends_on: {{ ref('dim_product') }}

with revenue as (

    select
        product_id,
        sum(line_amount_gbp) as revenue_gbp
    from {{ ref('fct_sales') }}
    group by product_id

),

running as (

    select
        product_id,
        cast(revenue_gbp as decimal(20, 4)) as revenue_gbp,
        row_number() over (order by revenue_gbp desc, product_id asc) as revenue_rank,
        cast(sum(revenue_gbp) over (order by revenue_gbp desc, product_id asc) - revenue_gbp as double)
        / nullif(cast(sum(revenue_gbp) over () as double), 0) as share_before
    from revenue

)

select
    product_id,
    revenue_gbp,
    revenue_rank,
    share_before,
    case
        when share_before < 0.8 then 'A'
        when share_before < 0.95 then 'B'
        else 'C'
    end as abc_class
from running
