select * from {{ ref('orders') }} limit 10
