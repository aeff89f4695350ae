select
    product_sk,
    product_id,
    description,
    category,
    list_price_gbp,
    previous_description,
    is_product,
    cast(valid_from as timestamp(6)) as valid_from,
    cast(valid_to as timestamp(6)) as valid_to,
    is_current,
    is_deleted,
    origin
from {{ source('silver_lakehouse', 'products') }}
