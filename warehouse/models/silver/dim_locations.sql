with places as (
    select
        location_id,
        max(city) as city,
        max(state) as state,
        min(zip) as zip,
        min(lat) as lat,
        min(lon) as lon
    from {{ all_events('location_id, city, state, zip, lat, lon') }}
    where location_id is not null
    group by location_id
)

-- A metropolitan area may lie in several states (PA-NJ-DE): its first one names its region.
select
    places.location_id,
    places.city,
    places.state,
    us_states.name as state_name,
    us_states.region,
    places.zip,
    places.lat,
    places.lon
from places
left join {{ ref('us_states') }} as us_states
    on us_states.state = split_part(places.state, '-', 1)
