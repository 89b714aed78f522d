{# Macros of the test project. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name | trim if custom_schema_name else target.schema }}
{%- endmacro %}

{% macro money(column, digits=2) -%}
    round({{ column }} / {{ var('cents') }}, {{ digits }})
{%- endmacro %}

{% macro columns_of_order() %}
    {% set columns = ['id'] %}
    {% for name in ['customer', 'status'] %}
        {% do columns.append(name) %}
    {% endfor %}
    {% do return(columns) %}
{% endmacro %}

{% macro today() %}{{ return(adapter.dispatch('today', 'shop')()) }}{% endmacro %}
{% macro default__today() %}cast('2026-01-01' as date){% endmacro %}

{% macro wrapped(tag) %}<{{ tag }}>{{ caller() }}</{{ tag }}>{% endmacro %}
