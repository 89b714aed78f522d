{{ config(partition_by='date', meta={'reach': reach()}) }}

select
    date,
    hour,
    count(*) as listens,
    count(distinct user_id) as listeners,
    {{ seconds(total(milliseconds('duration'))) }} as seconds
from (
    select
        {{ local_day() }} as date,
        date_trunc('hour', ts) as hour,
        user_id,
        duration
    from {{ ref('fct_listens') }}
)
group by date, hour
