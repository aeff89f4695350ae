{#- Expected value over the horizon: its days times a daily spend. That is the sum of all past amounts, each weighted by
    exp(-age / decay), over the days of the decay: an exponential moving average. -#}
{% macro decayed_value(amount, age_days) -%}
    sum(cast({{ amount }} as double) * exp(-cast({{ age_days }} as double) / {{ var('value_decay_days') }}))
    * {{ var('value_horizon_days') }} / {{ var('value_decay_days') }}
{%- endmacro %}
