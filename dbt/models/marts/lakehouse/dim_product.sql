select
    product_sk,
    product_id,
    description,
    category,
    list_price_gbp,
    previous_description,
    is_product,
    valid_from,
    valid_to,
    is_current,
    is_deleted
from {{ ref('stg_silver__products') }}
