-- A bad record has no event time: its day is the one on which Kafka took it.
{% for topic in ['listen_events', 'page_view_events', 'auth_events', 'status_change_events'] %}
select
    cast(_timestamp as date) as date,
    '{{ topic }}' as topic,
    _error as error,
    count(*) as records,
    max(_error_text) as example
from {{ source('quarantine', topic) }}
group by cast(_timestamp as date), _error
{% if not loop.last %}union all{% endif %}
{% endfor %}
