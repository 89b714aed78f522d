{#
  The listens of a day by thing and listener: counting a thing's listeners is then a plain count. `id` is the thing's column,
  `value` what it is for a listen (else the column of that name), `named` the columns that describe the thing.
#}
{% macro listens_by_listener(id, named, value=none) -%}
    select
        {{ local_day() }} as date,
        {% if value %}{{ value }} as {% endif %}{{ id }},
        user_id,
        {%- for column in named %}
        max({{ column }}) as {{ column }},
        {%- endfor %}
        count(*) as listens,
        {{ total(milliseconds('duration')) }} as listened_ms
    from {{ ref('fct_listens') }}
    group by {{ local_day() }}, {{ value or id }}, user_id
{%- endmacro %}

{# What the rows of listens_by_listener add up to for a thing. #}
{% macro listening_totals() -%}
        {{ total('listens') }} as listens,
        count(user_id) as listeners,
        {{ seconds(total('listened_ms')) }} as seconds
{%- endmacro %}
