-- Every event with a session is in exactly one session: the totals where they differ.
select facts.events as in_facts, sessions.events as in_sessions
from (select count(*) as events from {{ all_events('session_id') }} as e where session_id is not null) as facts
cross join (select {{ total('events') }} as events from {{ ref('fct_sessions') }}) as sessions
where facts.events <> sessions.events
