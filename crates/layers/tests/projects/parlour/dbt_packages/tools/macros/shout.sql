{% macro shout(column) %}upper({{ column }}){% endmacro %}

{% macro generate_schema_name(custom_schema_name, node) %}never{% endmacro %}

{% test positive(model, column_name) %}
select * from {{ model }} where {{ column_name }} <= 0
{% endtest %}
