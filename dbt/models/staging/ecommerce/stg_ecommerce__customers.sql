select
    user_id as customer_id,
    language,
    town,
    country,
    cast(created_at as timestamp(6)) as created_at
from {{ source('silver_ecommerce', 'customers') }}
