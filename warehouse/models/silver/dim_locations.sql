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
from {{ ref('places') }} as places
left join {{ ref('us_states') }} as us_states
    on us_states.state = split_part(places.state, '-', 1)
