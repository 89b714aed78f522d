{% macro money(column) %}round({{ column }} / 100, 2){% endmacro %}

{% macro generate_schema_name(custom_schema_name, node) %}
    {{- custom_schema_name if custom_schema_name else target.schema -}}
{% endmacro %}
