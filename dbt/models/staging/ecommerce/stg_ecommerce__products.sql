select
    product_id,
    name,
    category,
    type as product_type,
    brand,
    colour,
    material,
    warehouse_id as store_id,
    cast(created_at as timestamp(6)) as created_at
from {{ source('silver_ecommerce', 'products') }}
