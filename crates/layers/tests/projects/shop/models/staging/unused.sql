{{ config(enabled=false) }}
select 1 as one from {{ ref('nothing_of_this_name') }}
