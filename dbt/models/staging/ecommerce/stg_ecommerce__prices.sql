select
    product_id,
    cast(changed_at as timestamp(6)) as changed_at,
    price as price_eur
from {{ source('silver_ecommerce', 'prices') }}
