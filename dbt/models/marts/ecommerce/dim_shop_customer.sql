-- The level has a history (type 2): it is reached with the first, the third and the tenth order, and nobody loses one.
-- Language and place are as they are now, in all versions (type 1).
with customers as (

    select * from {{ ref('stg_ecommerce__customers') }}

),

orders as (

    select
        customer_id,
        order_id,
        min(ordered_at) as ordered_at
    from {{ ref('stg_ecommerce__order_lines') }}
    group by customer_id, order_id

),

numbered as (

    select
        customer_id,
        ordered_at,
        row_number() over (partition by customer_id order by ordered_at, order_id) as order_number
    from orders

),

reached as (

    select
        customer_id,
        'visitor' as level,
        created_at as valid_from
    from customers
    union all
    select
        customer_id,
        case order_number
            when 1 then 'buyer'
            when 3 then 'regular'
            else 'loyal'
        end as level,
        ordered_at as valid_from
    from numbered
    where order_number in (1, 3, 10)

),

versions as (

    select
        customer_id,
        level,
        valid_from,
        lead(valid_from) over (partition by customer_id order by valid_from) as valid_to,
        lag(level) over (partition by customer_id order by valid_from) as previous_level
    from reached

)

select
    to_hex(md5(to_utf8(cast(versions.customer_id as varchar) || '|' || versions.level))) as customer_sk,
    versions.customer_id,
    customers.language,
    customers.town,
    customers.country,
    versions.level,
    versions.previous_level,
    versions.valid_from,
    versions.valid_to,
    versions.valid_to is null as is_current
from versions
inner join customers on versions.customer_id = customers.customer_id
