{{ config(materialized='view') }}
-- The serving layer: what the batch layer has settled is its word, late events included; what came since is the speed
-- layer's. A view, so that it is as new as the tables below it.
with settled as (

    select coalesce(max(settled_until), timestamp '1970-01-01 00:00:00') as settled_until
    from {{ ref('stg_ecommerce__publications') }}

),

batch as (

    select * from {{ ref('stg_ecommerce__minutes') }}

),

live as (

    select * from {{ ref('stg_live__minutes') }}

)

select
    minute_at,
    page_views,
    cart_additions,
    orders,
    pieces,
    revenue_eur,
    searches,
    searches_without_result,
    searches_with_click,
    active_users,
    'batch' as layer
from batch
cross join settled
where minute_at < settled_until
union all
select
    minute_at,
    page_views,
    cart_additions,
    orders,
    pieces,
    revenue_eur,
    searches,
    searches_without_result,
    searches_with_click,
    active_users,
    'speed' as layer
from live
cross join settled
where minute_at >= settled_until
