-- Over all cut-offs, each with a horizon of 90 days before and after it: a forecast that is further from what came than
-- the last period, or than one mean for everybody, is not worth its name. Without a cut-off there is no verdict.
-- A warning: what the shop's customers do is no fault of the build.
{{ config(severity = 'warn') }}

with errors as (

    select
        method,
        sum(customers * mean_absolute_error_gbp) as absolute_error_gbp
    from {{ ref('customer_value_backtest') }}
    group by method

)

select
    naive.method,
    naive.absolute_error_gbp,
    ours.absolute_error_gbp as our_absolute_error_gbp
from errors as naive
inner join errors as ours
    on ours.method = 'decayed spend' and naive.method <> 'decayed spend'
where ours.absolute_error_gbp > naive.absolute_error_gbp
