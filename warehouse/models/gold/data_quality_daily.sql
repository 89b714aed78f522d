{{ config(partition_by='date') }}

-- Over bronze itself: what the facts leave out can only be counted there.
{% for topic in ['listen_events', 'page_view_events', 'auth_events', 'status_change_events'] %}
select
    event_date as date,
    '{{ topic }}' as topic,
    count(*) as rows_in_bronze,
    count(distinct {{ adapter.quote('eventId') }}) as rows_kept,
    count({{ adapter.quote('eventId') }}) - count(distinct {{ adapter.quote('eventId') }}) as duplicates_dropped,
    {{ count_if(adapter.quote('eventId') ~ ' is null') }} as rows_without_id,
    {{ count_if(adapter.quote('userId') ~ ' is null') }} as rows_without_user
from {{ source('bronze', topic) }}
group by event_date
{% if not loop.last %}union all{% endif %}
{% endfor %}
