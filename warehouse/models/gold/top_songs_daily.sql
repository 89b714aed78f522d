{{ config(partition_by='date', meta={'reach': 0 if var('timezone') == 'UTC' else 1}) }}

-- By listener first: counting listeners is then a plain count.
with listener_days as (
    select
        {{ local_day() }} as date,
        song_id,
        user_id,
        max(song) as song,
        max(artist_id) as artist_id,
        max(artist) as artist,
        count(*) as listens,
        {{ total(milliseconds('duration')) }} as listened_ms
    from {{ ref('fct_listens') }}
    group by {{ local_day() }}, song_id, user_id
),

song_days as (
    select
        date,
        song_id,
        coalesce(max(song), '(unknown)') as song,
        max(artist_id) as artist_id,
        coalesce(max(artist), '(unknown)') as artist,
        {{ total('listens') }} as listens,
        count(user_id) as listeners,
        {{ seconds(total('listened_ms')) }} as seconds
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
