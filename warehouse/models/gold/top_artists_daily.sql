{{ config(partition_by='date', meta={'reach': reach()}) }}

with listener_days as (
    {{ listens_by_listener('artist_id', ['artist']) }}
),

artist_days as (
    select
        date,
        artist_id,
        coalesce(max(artist), '(unknown)') as artist,
        {{ listening_totals() }}
    from listener_days
    group by date, artist_id
)

select
    date,
    cast(row_number() over (partition by date order by listens desc, artist_id) as bigint) as rank,
    artist_id,
    artist,
    listens,
    listeners,
    seconds
from artist_days
