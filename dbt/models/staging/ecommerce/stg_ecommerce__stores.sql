select
    warehouse_id as store_id,
    town,
    country,
    is_store,
    latitude,
    longitude
from {{ source('silver_ecommerce', 'stores') }}
