{{ config(partition_by='day', meta={'reach': 1}, tags='core') }}

with customers as (
    select * from {{ ref('stg_customers') }}
)

select
    o.id,
    o.customer,
    {# a comment #}
    o.amount
from {{ ref('stg_orders') }} as o
join customers as c on c.id = o.customer
