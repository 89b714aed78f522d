{{ config(partition_by='date', meta={'reach': reach()}) }}

with listener_days as (
    {{ listens_by_listener('song_id', ['song', 'artist_id', 'artist']) }}
),

song_days as (
    select
        date,
        song_id,
        coalesce(max(song), '(unknown)') as song,
        max(artist_id) as artist_id,
        coalesce(max(artist), '(unknown)') as artist,
        {{ listening_totals() }}
    from listener_days
    group by date, song_id
)

select
    date,
    cast(row_number() over (partition by date order by listens desc, song_id) as bigint) as rank,
    song_id,
    song,
    artist_id,
    artist,
    listens,
    listeners,
    seconds
from song_days
