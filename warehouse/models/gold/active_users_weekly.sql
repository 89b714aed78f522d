{{ config(partition_by='week') }}

{{ active_users_by('week', week_of('date')) }}
