-- Listens of users who are signed in, by day, are those of active_users_daily: the days where they differ.
{{ days_out_of_balance('count(user_id)', ref('fct_listens'), ref('active_users_daily'), 'listens') }}
