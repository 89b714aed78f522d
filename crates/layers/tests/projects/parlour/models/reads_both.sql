select * from {{ ref('both') }}
