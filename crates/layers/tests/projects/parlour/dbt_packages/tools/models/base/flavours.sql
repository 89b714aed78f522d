{{ config(materialized='ephemeral' if var('currency') == 'USD' else 'view', tags=['in_file']) }}
select id, name, price, '{{ var('currency') }}' as currency, '{{ var('greeting') }}' as greeting, '{{ var('unit') }}' as unit,
    {{ shout('name') }} as loud, {{ tools.shout('name') }} as louder, {{ var.has_var('only_here') }} as is_there
from {{ source('raw', 'prices') }}
