with lines as (

    select * from {{ ref('stg_silver__invoice_lines') }}
    where customer_id is not null and line_type in ('sale', 'return')

)

select
    customer_id,
    invoice_id,
    trade_date,
    count_if(line_type = 'sale') > 0 as is_order,
    cast(sum(case when line_type = 'sale' then line_amount_gbp else 0 end) as decimal(20, 4)) as sales_gbp,
    cast(sum(case when line_type = 'return' then line_amount_gbp else 0 end) as decimal(20, 4)) as returns_gbp
from lines
group by customer_id, invoice_id, trade_date
