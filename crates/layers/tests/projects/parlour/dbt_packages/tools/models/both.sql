{{ config(alias='both_of_tools') }} select 'tools' as whose, 1 as id
