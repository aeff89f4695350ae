-- The tests of this model compare it with these: they are built first.
-- depends_on: {{ ref('dim_date') }}
-- depends_on: {{ ref('dim_country') }}

with lines as (

    select * from {{ ref('stg_silver__invoice_lines') }}
    where line_type = 'sale'

)

select
    invoice_line_id,
    invoice_id,
    product_id,
    customer_id,
    is_guest,
    country,
    quantity,
    unit_price_gbp,
    line_amount_gbp,
    invoiced_at,
    trade_date,
    source_file,
    line_number
from lines
