-- Every settled minute is served with the batch layer's figures, late events included: difference 0.
with settled as (

    select max(settled_until) as settled_until
    from {{ source('silver_ecommerce', 'publications') }}

),

batch as (

    select
        cast(minute_figures.minute as timestamp(6)) as minute_at,
        minute_figures.page_views,
        minute_figures.orders,
        minute_figures.revenue,
        minute_figures.active_users
    from {{ source('silver_ecommerce', 'minute_figures') }} as minute_figures
    cross join settled
    where minute_figures.view = 'batch' and minute_figures.minute < settled.settled_until

),

served as (

    select
        minute_at,
        page_views,
        orders,
        revenue_eur,
        active_users
    from {{ ref('minutes_served') }}
    where layer = 'batch'

)

(
    select * from batch
    except
    select * from served
)
union all
(
    select * from served
    except
    select * from batch
)
