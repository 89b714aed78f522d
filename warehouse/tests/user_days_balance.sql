-- Every event with a user is in exactly one user's day: the days where the counts differ.
{{ days_out_of_balance('count(user_id)', all_events('event_date, ts, user_id') ~ ' as e', ref('user_days'), 'events') }}
