select
    song_id,
    max(song) as song,
    max(artist_id) as artist_id,
    max(artist) as artist,
    max(duration) as duration,
    min(ts) as first_played_at
from {{ ref('fct_listens') }}
group by song_id
