{{ config(partition_by='date', meta={'reach': reach()}) }}

with counts as (
    select
        {{ local_day() }} as date,
        count(*) as page_views,
        {{ count_if('status >= 400') }} as failed_pages,
        {{ count_if("page = 'Error'") }} as error_pages,
        count(distinct case when status >= 400 then session_id end) as failed_sessions,
        0 as sign_ins,
        0 as sign_in_failures
    from {{ ref('fct_page_views') }}
    group by {{ local_day() }}
    union all
    select
        {{ local_day() }} as date,
        0 as page_views,
        0 as failed_pages,
        0 as error_pages,
        0 as failed_sessions,
        {{ count_if("page = 'Login'") }} as sign_ins,
        {{ count_if("page = 'Login' and not success") }} as sign_in_failures
    from {{ ref('fct_auth') }}
    group by {{ local_day() }}
),

days as (
    select
        date,
        {{ total('page_views') }} as page_views,
        {{ total('failed_pages') }} as failed_pages,
        {{ total('error_pages') }} as error_pages,
        {{ total('failed_sessions') }} as failed_sessions,
        {{ total('sign_ins') }} as sign_ins,
        {{ total('sign_in_failures') }} as sign_in_failures
    from counts
    group by date
)

select
    date,
    page_views,
    failed_pages,
    {{ share('failed_pages', 'page_views') }} as failed_page_rate,
    error_pages,
    failed_sessions,
    sign_ins,
    sign_in_failures,
    {{ share('sign_in_failures', 'sign_ins') }} as sign_in_failure_rate
from days
