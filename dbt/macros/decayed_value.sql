{#- Expected value over the horizon: the daily spend of the past, each day weighted by exp(-age / decay). It is the
    spend rate of an exponential moving average with mean age `value_decay_days`, times `value_horizon_days`. -#}
{% macro decayed_value(amount, age_days) -%}
    sum(cast({{ amount }} as double) * exp(-cast({{ age_days }} as double) / {{ var('value_decay_days') }}))
    * {{ var('value_horizon_days') }} / {{ var('value_decay_days') }}
{%- endmacro %}
