-- Every change of a subscription is counted on its day: the totals where they differ.
select facts.changes as in_facts, days.changes as in_days
from (select count(*) as changes from {{ ref('fct_status_changes') }}) as facts
cross join (
    select {{ total('registrations + upgrades + downgrades + cancellations') }} as changes
    from {{ ref('subscriptions_daily') }}
) as days
where facts.changes <> days.changes
