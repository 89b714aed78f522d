{% snapshot flavours_then %}
{{ config(unique_key='id', strategy='check', check_cols='all', target_schema='tools') }}
select id, name from {{ ref('flavours') }}
{% endsnapshot %}
