-- What bronze holds, less what is dropped, is in the facts: the topics and days where it is not.
select date, topic, sum(kept) as missing
from (
    select date, topic, rows_in_bronze - duplicates_dropped - rows_without_id as kept
    from {{ ref('data_quality_daily') }}
    {% for topic, fact in [
        ('listen_events', 'fct_listens'),
        ('page_view_events', 'fct_page_views'),
        ('auth_events', 'fct_auth'),
        ('status_change_events', 'fct_status_changes')
    ] %}
    union all
    select event_date as date, '{{ topic }}' as topic, -count(*) as kept
    from {{ ref(fact) }}
    group by event_date
    {% endfor %}
) as balance
group by date, topic
having sum(kept) <> 0
