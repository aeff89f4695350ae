{#- Rows that break an expression that must be true on every row. -#}
{% test row_invariant(model, expression) %}
    select *
    from {{ model }}
    where not coalesce({{ expression }}, false)
{% endtest %}
