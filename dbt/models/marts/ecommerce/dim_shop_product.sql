-- The tests of this model compare it with these: they are built first.
-- depends_on: {{ ref('dim_shop_store') }}

-- The price has a history (type 2); what else is known of a product is as it is now, in all its versions (type 1).
with prices as (

    select
        product_id,
        price_eur,
        changed_at as valid_from,
        lead(changed_at) over (partition by product_id order by changed_at) as valid_to,
        lag(price_eur) over (partition by product_id order by changed_at) as previous_price_eur
    from {{ ref('stg_ecommerce__prices') }}

),

products as (

    select * from {{ ref('stg_ecommerce__products') }}

)

select
    to_hex(md5(to_utf8(cast(prices.product_id as varchar) || '|' || cast(prices.valid_from as varchar)))) as product_sk,
    prices.product_id,
    products.name as product_name,
    products.category,
    products.product_type,
    products.brand,
    products.colour,
    products.material,
    products.store_id,
    prices.price_eur,
    prices.previous_price_eur,
    prices.valid_from,
    prices.valid_to,
    prices.valid_to is null as is_current
from prices
inner join products on prices.product_id = products.product_id
