{#- Days of trade summed by week (from Monday) or month; its first day is trade_<period>. -#}
{% macro revenue_by_period(days, period) -%}
    select
        date_trunc('{{ period }}', trade_date) as trade_{{ period }},
        cast(sum(revenue_gbp) as decimal(20, 4)) as revenue_gbp,
        cast(sum(returns_gbp) as decimal(20, 4)) as returns_gbp,
        cast(sum(other_gbp) as decimal(20, 4)) as other_gbp,
        cast(sum(net_gbp) as decimal(20, 4)) as net_gbp,
        sum(orders) as orders,
        sum(pieces) as pieces,
        count(*) as trading_days
    from {{ days }}
    group by date_trunc('{{ period }}', trade_date)
{%- endmacro %}
