-- Every listen is of exactly one song: the days where the two counts differ.
select date, sum(listens) as missing
from (
    select {{ local_day() }} as date, count(*) as listens
    from {{ ref('fct_listens') }}
    group by {{ local_day() }}
    union all
    select date, -listens as listens
    from {{ ref('top_songs_daily') }}
) as balance
group by date
having sum(listens) <> 0
