-- A session's events lie within the days that fct_sessions reads for it (its `reach`); one that lasts longer would be
-- built in part only.
select session_id, session_date, last_event_date, started_at, ended_at
from {{ ref('fct_sessions') }}
where {{ days_between('session_date', 'last_event_date') }} > {{ reach(1) }}
