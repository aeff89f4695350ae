-- The tests of this model compare it with these: they are built first.
-- depends_on: {{ ref('dim_date') }}
-- depends_on: {{ ref('dim_country') }}

with lines as (

    select * from {{ ref('stg_silver__invoice_lines') }}
    where line_type = 'return'

)
,

sales as (

    select
        invoice_line_id,
        invoice_id,
        trade_date
    from {{ ref('stg_silver__invoice_lines') }}
    where line_type = 'sale'

)

select
    lines.invoice_line_id,
    lines.invoice_id,
    lines.product_id,
    lines.customer_id,
    lines.country,
    lines.quantity,
    lines.line_amount_gbp,
    lines.invoiced_at,
    lines.trade_date,
    lines.reverses_invoice_line_id,
    sales.invoice_id as reversed_invoice_id,
    date_diff('day', sales.trade_date, lines.trade_date) as days_to_return
from lines
left join sales
    on lines.reverses_invoice_line_id = sales.invoice_line_id
