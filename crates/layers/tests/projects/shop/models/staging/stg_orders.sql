{%- set columns = columns_of_order() -%}
select
    {% for column in columns %}
    {{ column }}{{ "," if not loop.last }}
    {% endfor %}
    , {{ money('amount') }} as amount
    , '{{ var("currency") }}' as currency
    , {{ today() }} as loaded
from {{ source('app', 'orders') }}
