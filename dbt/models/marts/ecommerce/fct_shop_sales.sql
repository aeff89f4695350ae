-- The tests of this model compare it with these: they are built first.
-- depends_on: {{ ref('dim_shop_date') }}
-- depends_on: {{ ref('dim_shop_store') }}

with lines as (

    select * from {{ ref('stg_ecommerce__order_lines') }}

),

products as (

    select * from {{ ref('dim_shop_product') }}

),

customers as (

    select * from {{ ref('dim_shop_customer') }}

)

select
    cast(lines.order_id as varchar) || '-' || cast(lines.line_number as varchar) as sale_id,
    lines.order_id,
    lines.line_number,
    lines.order_date,
    lines.ordered_at,
    lines.customer_id,
    customers.customer_sk,
    lines.product_id,
    products.product_sk,
    products.store_id,
    lines.quantity,
    lines.unit_price_eur,
    products.price_eur as list_price_eur,
    cast(lines.quantity * lines.unit_price_eur as decimal(14, 2)) as amount_eur,
    lines.is_late
from lines
-- Every fact keeps its row: a version that is not found is a null, and a test says so.
left join products
    on
        lines.product_id = products.product_id
        and lines.ordered_at >= products.valid_from
        and (products.valid_to is null or lines.ordered_at < products.valid_to)
left join customers
    on
        lines.customer_id = customers.customer_id
        and lines.ordered_at >= customers.valid_from
        and (customers.valid_to is null or lines.ordered_at < customers.valid_to)
