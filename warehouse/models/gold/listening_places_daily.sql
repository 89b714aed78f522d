{{ config(partition_by='date', meta={'reach': reach()}) }}

with listener_days as (
    {{ listens_by_listener('location_id', ['state', 'city'], value="coalesce(location_id, '(unknown)')") }}
)

select
    date,
    location_id,
    coalesce(max(state), '(unknown)') as state,
    coalesce(max(city), '(unknown)') as city,
    {{ listening_totals() }}
from listener_days
group by date, location_id
