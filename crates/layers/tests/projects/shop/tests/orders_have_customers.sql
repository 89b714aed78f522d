{{ config(tags=['audit'], warn_if='>1', error_if='>10') }}
select o.id
from {{ ref('orders') }} as o
left join {{ ref('shop', 'stg_customers') }} as c on c.id = o.customer
where c.id is null
