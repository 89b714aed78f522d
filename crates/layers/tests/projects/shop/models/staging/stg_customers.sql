{{ config(materialized='ephemeral') }}
with c as (select * from {{ source('app', 'customers') }})
select * from c
