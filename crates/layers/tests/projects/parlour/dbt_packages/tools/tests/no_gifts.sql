select * from {{ ref('flavours') }} where price < 0
