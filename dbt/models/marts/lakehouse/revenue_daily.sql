-- The tests of this model compare it with these: they are built first.
-- depends_on: {{ ref('fct_sales') }}
-- depends_on: {{ ref('fct_returns') }}

with lines as (

    select * from {{ ref('stg_silver__invoice_lines') }}

),

measured as (

    select
        trade_date,
        case when line_type = 'sale' then line_amount_gbp else 0 end as sale_gbp,
        case when line_type = 'return' then line_amount_gbp else 0 end as return_gbp,
        case when line_type in ('fee', 'adjustment') then line_amount_gbp else 0 end as other_gbp,
        case when line_type = 'sale' then quantity else 0 end as pieces_sold,
        case when line_type = 'sale' then invoice_id end as sale_invoice_id,
        line_amount_gbp
    from lines

)

select
    trade_date,
    cast(sum(sale_gbp) as decimal(20, 4)) as revenue_gbp,
    cast(sum(return_gbp) as decimal(20, 4)) as returns_gbp,
    cast(sum(other_gbp) as decimal(20, 4)) as other_gbp,
    cast(sum(line_amount_gbp) as decimal(20, 4)) as net_gbp,
    count(distinct sale_invoice_id) as orders,
    sum(pieces_sold) as pieces
from measured
group by trade_date
