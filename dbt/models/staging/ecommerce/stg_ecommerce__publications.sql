select
    number,
    cast(settled_until as timestamp(6)) as settled_until
from {{ source('silver_ecommerce', 'publications') }}
