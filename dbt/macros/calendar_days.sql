{#- Every day, as calendar_date, of the months in which a relation has a date; of January 2020 where it has none. -#}
{% macro calendar_days(relation, date_column) -%}
    with bounds as (

        select
            min({{ date_column }}) as first_date,
            max({{ date_column }}) as last_date
        from {{ relation }}

    ),

    months as (

        select month_start
        from bounds
        cross join
            unnest(
                sequence(
                    date_trunc('month', coalesce(first_date, date '2020-01-01')),
                    date_trunc('month', coalesce(last_date, date '2020-01-01')),
                    interval '1' month
                )
            ) as calendar (month_start)

    )

    select calendar_date
    from months
    cross join
        unnest(sequence(month_start, last_day_of_month(month_start), interval '1' day)) as calendar (calendar_date)
{%- endmacro %}
