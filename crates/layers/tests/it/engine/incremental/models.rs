//! A small project with a model of every way, and joins, unions, windows, views and seeds between them.

/// A file of the project as it may be written. It begins as the first; the others are edits.
pub struct Edited {
    /// The file's path in the project.
    pub path: &'static str,
    /// What may stand in it.
    pub texts: &'static [&'static str],
}

/// The tables that are compared.
pub const TABLES: &[&str] = &[
    "fct",
    "visits",
    "helps",
    "everything",
    "all_events",
    "user_days",
    "sessions",
    "months",
    "ranked",
    "joined",
    "pages",
    "page_days",
    "seen",
    "seen_labels",
    "named",
    "kinds",
    "labelled",
    "shown_days",
];

/// Models and the seed. All variants of a model have the columns that others read.
pub const PROJECT: &[Edited] = &[
    Edited {
        path: "models/fct.sql",
        texts: &[
            r#"{{ config(partition_by='event_date') }}
select "eventId" as event_id, "userId" as user_id, "sessionId" as session_id, ts, page, event_date
from (select *, row_number() over (partition by "eventId", event_date order by ts, page, "userId", "sessionId") as copy
      from {{ source('bronze', 'events') }} where "eventId" is not null)
where copy = 1"#,
            r#"{{ config(partition_by='event_date') }}
select "eventId" as event_id, "userId" as user_id, "sessionId" as session_id, ts, page, event_date
from (select *, row_number() over (partition by "eventId", event_date order by page desc, ts, "userId", "sessionId") as copy
      from {{ source('bronze', 'events') }})
where copy = 1"#,
        ],
    },
    Edited {
        path: "models/visits.sql",
        texts: &[r#"{{ config(partition_by='event_date') }}
select "eventId" as event_id, "userId" as user_id, "sessionId" as session_id, ts, page, event_date
from (select *, row_number() over (partition by "eventId", event_date order by ts, page, "userId", "sessionId") as copy
      from {{ source('bronze', 'visits') }})
where copy = 1"#],
    },
    Edited {
        path: "models/helps.sql",
        texts: &[
            r#"{{ config(partition_by='event_date') }}
select "eventId" as event_id, upper(page) as page, event_date from {{ source('bronze', 'events') }} where page <> 'Home'"#,
            r#"{{ config(partition_by='event_date') }}
select "eventId" as event_id, page, event_date from {{ source('bronze', 'events') }} where page <> 'Help'"#,
            r#"{{ config(partition_by='page') }}
select "eventId" as event_id, page, event_date from {{ source('bronze', 'events') }}"#,
        ],
    },
    // Has the column that bronze gets on the way.
    Edited {
        path: "models/everything.sql",
        texts: &[
            "{{ config(partition_by='event_date') }} select * from {{ source('bronze', 'events') }}",
        ],
    },
    Edited {
        path: "models/all_events.sql",
        texts: &["{{ config(partition_by='event_date') }}
select *, 'event' as kind from {{ ref('fct') }} union all select *, 'visit' as kind from {{ ref('visits') }}"],
    },
    Edited {
        path: "models/user_days.sql",
        texts: &[
            "{{ config(partition_by='event_date') }}
select event_date, user_id, count(*) as n, count(distinct page) as pages, max(kind) as kind
from {{ ref('all_events') }} group by event_date, user_id",
            "{{ config(partition_by='event_date') }}
select event_date, user_id, count(*) as n
from {{ ref('all_events') }} where kind = 'event' group by event_date, user_id",
        ],
    },
    Edited {
        path: "models/sessions.sql",
        texts: &[
            "{{ config(partition_by='session_date', meta={'reach': 1}) }}
select session_id, min(event_date) as session_date, max(event_date) as last_date, count(*) as n
from {{ ref('all_events') }} group by session_id",
            // What is known of one side only.
            "{{ config(partition_by='session_date', meta={'reach': {'after': 1}}) }}
select session_id, min(event_date) as session_date, max(event_date) as last_date, count(*) as n
from {{ ref('all_events') }} where page <> 'Home' group by session_id",
        ],
    },
    Edited {
        path: "models/months.sql",
        texts: &[
            "{{ config(partition_by='month') }}
select cast(date_trunc('month', event_date) as date) as month, count(*) as days, sum(n) as n
from {{ ref('user_days') }} group by 1",
            "select cast(date_trunc('month', event_date) as date) as month, count(*) as days, sum(n) as n
from {{ ref('user_days') }} group by 1",
        ],
    },
    Edited {
        path: "models/ranked.sql",
        texts: &["{{ config(partition_by='event_date') }}
select event_date, user_id, n, rank() over (partition by event_date order by n desc, user_id) as place
from {{ ref('user_days') }}"],
    },
    Edited {
        path: "models/joined.sql",
        texts: &["{{ config(partition_by='event_date') }}
with a as (select event_date, count(*) as n from {{ ref('fct') }} group by event_date),
     b as (select event_date, count(*) as m from {{ ref('visits') }} group by event_date)
select coalesce(a.event_date, b.event_date) as event_date, n, m from a full join b on a.event_date = b.event_date"],
    },
    Edited {
        path: "models/pages.sql",
        texts: &[
            "select page, count(*) as n, min(event_date) as first_date from {{ ref('all_events') }} group by page",
        ],
    },
    // By a key that may be null, with everything that two parts can be put together of.
    Edited {
        path: "models/page_days.sql",
        texts: &[
            "{{ config(partition_by='event_date') }}
select event_date, page, count(*) as n, cast(coalesce(sum(case when user_id > 2 then user_id end), 0) as bigint) as users,
       sum(cast(session_id as decimal(20, 2))) as sessions, sum(case when user_id > 3 then 1 end) as some,
       min(event_id) as first_id, max(user_id * 0.5) as most, bool_or(user_id = 1) as has_one, bool_and(kind = 'event') as all_events
from {{ ref('all_events') }} group by page, event_date",
            "{{ config(partition_by='event_date') }}
select event_date, page, kind, count(user_id) as n
from {{ ref('all_events') }} where user_id <> 2 group by page, event_date, kind",
        ],
    },
    // Its rows are mostly the same.
    Edited {
        path: "models/seen.sql",
        texts: &[
            "select distinct page from {{ ref('all_events') }}",
            "select page from {{ ref('all_events') }} where kind = 'event' group by page having count(*) > 2",
        ],
    },
    Edited {
        path: "models/seen_labels.sql",
        texts: &["select s.page, k.label from {{ ref('seen') }} s left join {{ ref('kinds') }} k on k.page = s.page"],
    },
    Edited {
        path: "models/named.sql",
        texts: &["{{ config(partition_by='event_date') }}
select f.event_id, f.event_date, p.n as page_events from {{ ref('fct') }} f join {{ ref('pages') }} p on p.page = f.page"],
    },
    Edited {
        path: "seeds/kinds.csv",
        texts: &[
            "page,label\nHome,start\nHelp,question\n",
            "page,label\nHome,begin\n",
            "page,label\nHome,start\nHelp,question\nHelp,answer\n",
        ],
    },
    Edited {
        path: "models/labelled.sql",
        texts: &["{{ config(partition_by='event_date') }}
select e.\"eventId\" as event_id, e.event_date, k.label
from {{ source('bronze', 'events') }} e left join {{ ref('kinds') }} k on k.page = e.page"],
    },
    Edited {
        path: "models/shown.sql",
        texts: &[
            "{{ config(materialized='view') }} select event_date, user_id, n from {{ ref('user_days') }} where n > 1",
            "{{ config(materialized='view') }} select event_date, user_id, n + 1 as n from {{ ref('user_days') }}",
        ],
    },
    Edited {
        path: "models/shown_days.sql",
        texts: &["{{ config(partition_by='event_date') }}
select event_date, sum(n) as n from {{ ref('shown') }} group by event_date"],
    },
];
