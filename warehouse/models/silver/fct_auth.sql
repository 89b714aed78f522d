{{ config(partition_by='event_date') }}

select
    {{ event_columns() }},
    success
from {{ one_row_per_event(source('bronze', 'auth_events'), own=['success']) }}
where copy = 1
