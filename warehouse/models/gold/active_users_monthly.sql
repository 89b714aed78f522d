{{ config(partition_by='month') }}

{{ active_users_by('month', month_of('date')) }}
