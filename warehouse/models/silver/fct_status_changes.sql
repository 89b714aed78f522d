{{ config(partition_by='event_date') }}

select
    {{ event_columns() }},
    {{ adapter.quote('prevLevel') }} as previous_level,
    case page
        when 'Submit Registration' then 'registration'
        when 'Submit Upgrade' then 'upgrade'
        when 'Submit Downgrade' then 'downgrade'
        when 'Cancellation Confirmation' then 'cancellation'
    end as change
from {{ one_row_per_event(source('bronze', 'status_change_events'), own=[adapter.quote('prevLevel')]) }}
where copy = 1
