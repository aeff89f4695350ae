select
    invoice_line_id,
    invoice_id,
    product_id,
    customer_id,
    is_guest,
    country,
    description,
    line_type,
    quantity,
    unit_price_gbp,
    line_amount_gbp,
    cast(invoiced_at as timestamp(6)) as invoiced_at,
    trade_date,
    reverses_invoice_line_id,
    source_file,
    line_number
from {{ source('silver_lakehouse', 'invoice_lines') }}
