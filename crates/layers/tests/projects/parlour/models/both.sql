select 'parlour' as whose, 1 as id
