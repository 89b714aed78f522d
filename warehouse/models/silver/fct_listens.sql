{{ config(partition_by='event_date') }}

select
    {{ event_columns() }},
    coalesce({{ adapter.quote('songId') }}, {{ hash_of('artist', 'song') }}) as song_id,
    song,
    coalesce({{ adapter.quote('artistId') }}, md5(coalesce(artist, ''))) as artist_id,
    artist,
    duration
from {{ one_row_per_event(source('bronze', 'listen_events'), own=['artist', 'song', 'duration', adapter.quote('songId'), adapter.quote('artistId')]) }}
where copy = 1
