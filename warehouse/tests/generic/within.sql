{# Values lie from `least` to `most`, both included; null is another test's matter. #}
{% test within(model, column_name, least, most) %}
select {{ column_name }}
from {{ model }}
where {{ column_name }} < {{ least }} or {{ column_name }} > {{ most }}
{% endtest %}
