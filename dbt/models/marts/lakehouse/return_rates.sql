with lines as (

    select * from {{ ref('stg_silver__invoice_lines') }}
    where line_type in ('sale', 'return')

)

select
    product_id,
    sum(case when line_type = 'sale' then quantity else 0 end) as pieces_sold,
    -sum(case when line_type = 'return' then quantity else 0 end) as pieces_returned,
    cast(-sum(case when line_type = 'return' then quantity else 0 end) as double)
    / nullif(sum(case when line_type = 'sale' then quantity else 0 end), 0) as return_rate
from lines
group by product_id
