-- A build that finds the segments of the one before adds no version: versions that meet differ.
with versions as (

    select
        customer_id,
        segment,
        dbt_valid_to,
        lead(segment) over (partition by customer_id order by dbt_valid_from) as next_segment,
        lead(dbt_valid_from) over (partition by customer_id order by dbt_valid_from) as next_valid_from
    from {{ ref('customer_segments') }}

)

select *
from versions
where
    next_valid_from is not null
    and (
        dbt_valid_to is null
        or dbt_valid_to > next_valid_from
        or (dbt_valid_to = next_valid_from and segment = next_segment)
    )
