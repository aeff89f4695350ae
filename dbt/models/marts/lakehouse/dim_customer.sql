select
    customer_sk,
    customer_id,
    city,
    country,
    segment,
    previous_segment,
    valid_from,
    valid_to,
    is_current,
    is_deleted
from {{ ref('stg_silver__customers') }}
