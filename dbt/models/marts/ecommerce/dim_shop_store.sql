select
    store_id,
    town,
    country,
    is_store,
    case when is_store then 'store' else 'warehouse' end as store_kind,
    latitude,
    longitude
from {{ ref('stg_ecommerce__stores') }}
