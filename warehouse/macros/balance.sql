{#
  For tests: the days on which a table's column does not add up to what `counted` gives over the rows of `facts`.
#}
{% macro days_out_of_balance(counted, facts, table, column) -%}
select date, sum({{ column }}) as missing
from (
    select {{ local_day() }} as date, {{ counted }} as {{ column }}
    from {{ facts }}
    group by {{ local_day() }}
    union all
    select date, -{{ column }} as {{ column }}
    from {{ table }}
) as balance
group by date
having sum({{ column }}) <> 0
{%- endmacro %}
