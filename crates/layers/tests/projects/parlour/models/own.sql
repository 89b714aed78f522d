select id, {{ money('price') }} as price, '{{ var('greeting') }}' as greeting from {{ ref('flavours') }} join {{ ref('tools', 'both') }} using (id)
