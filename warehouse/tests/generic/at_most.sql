{# A part is never more than its whole, which is another column of the row. #}
{% test at_most(model, column_name, whole) %}
select {{ column_name }}, {{ whole }}
from {{ model }}
where {{ column_name }} > {{ whole }}
{% endtest %}
