-- Apart from dim_locations, which looks regions up: so new events are added to what is there, and no old one is read.
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
