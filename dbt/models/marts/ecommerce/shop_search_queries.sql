-- The tests of this model compare it with these: they are built first.
-- depends_on: {{ ref('dim_shop_date') }}

with searches as (

    select
        lower(trim(regexp_replace(query, '\s+', ' '))) as query_text,
        user_id,
        event_date,
        results_count,
        clicks,
        search_type
    from {{ ref('stg_ecommerce__events') }}
    where kind = 'search'

)

select
    query_text,
    count(*) as searches,
    count(distinct user_id) as users,
    min(event_date) as first_date,
    max(event_date) as last_date,
    count_if(results_count = 0) as searches_without_result,
    count_if(clicks > 0) as searches_with_click,
    sum(clicks) as clicks,
    count_if(search_type = 'correction') as corrections,
    cast(avg(cast(results_count as double)) as double) as mean_results,
    cast(1.0000 * count_if(clicks > 0) / count(*) as decimal(6, 4)) as click_through_share,
    cast(1.0000 * count_if(results_count = 0) / count(*) as decimal(6, 4)) as zero_result_share
from searches
group by query_text
