select
    artist_id,
    max(artist) as artist,
    count(distinct song_id) as songs,
    min(ts) as first_played_at
from {{ ref('fct_listens') }}
group by artist_id
