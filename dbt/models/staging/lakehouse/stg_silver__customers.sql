select
    customer_sk,
    customer_id,
    city,
    country,
    segment,
    previous_segment,
    cast(valid_from as timestamp(6)) as valid_from,
    cast(valid_to as timestamp(6)) as valid_to,
    is_current,
    is_deleted,
    origin
from {{ source('silver_lakehouse', 'customers') }}
