select * from {{ ref('both') }} as a cross join {{ ref('parlour', 'both') }} as b cross join {{ ref('sizes') }} as s
