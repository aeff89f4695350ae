{{ config(materialized='view') }}
-- The serving layer: what the batch layer has settled is its word, late events included; what came since is the speed
-- layer's. A view, so that it is as new as the tables below it.
{% set layers = [('batch', ref('stg_ecommerce__minutes'), '<'), ('speed', ref('stg_live__minutes'), '>=')] %}
with settled as (

    select coalesce(max(settled_until), timestamp '1970-01-01 00:00:00') as settled_until
    from {{ ref('stg_ecommerce__publications') }}

)

{% for layer, minutes, side in layers %}
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
        '{{ layer }}' as layer
    from {{ minutes }}
    cross join settled
    where minute_at {{ side }} settled_until
    {% if not loop.last %}union all{% endif %}
{% endfor %}
