{#
  How many users were active in each week or month, from their days. `period` is the column's name, `value` what it is for a `date`.
#}
{% macro active_users_by(period, value) -%}
with user_{{ period }}s as (
    select
        {{ value }} as {{ period }},
        user_id,
        count(*) as active_days,
        {{ total('sessions') }} as sessions,
        {{ total('listens') }} as listens,
        {{ total('listened_ms') }} as listened_ms,
        {{ count_if('is_paid') }} as paid_days,
        {{ count_if(registered_that_day()) }} as registered_days
    from {{ ref('user_days') }}
    group by {{ value }}, user_id
)

select
    {{ period }},
    count(*) as active_users,
    {{ count_if('listens > 0') }} as listeners,
    {{ count_if('paid_days > 0') }} as paid_users,
    {{ count_if('registered_days > 0') }} as new_users,
    {{ share(total('active_days'), 'count(*)') }} as days_per_user,
    {{ total('sessions') }} as sessions,
    {{ total('listens') }} as listens,
    {{ seconds(total('listened_ms')) }} as seconds
from user_{{ period }}s
group by {{ period }}
{%- endmacro %}
