{{ config(partition_by='event_date') }}

select
    {{ event_columns() }}
from {{ one_row_per_event(source('bronze', 'page_view_events')) }}
where copy = 1
