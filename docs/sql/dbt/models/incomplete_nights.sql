-- Which nights are not complete, why, and on which days there was no run at all.
with spans as (
  select registry, min(snapshot_date) as first_date, max(snapshot_date) as last_date
  from {{ ref('stg_runs') }} group by registry
), days as (
  {% if target.type == 'postgres' %}
  select registry, cast(generate_series(first_date, last_date, interval '1 day') as date) as snapshot_date
  {% else %}
  select registry, cast(unnest(generate_series(first_date, last_date, interval '1 day')) as date) as snapshot_date
  {% endif %}
  from spans
), nights as (
  select distinct on (registry, snapshot_date) registry, snapshot_date, verdict, reason
  from {{ ref('stg_runs') }} order by registry, snapshot_date, run_id desc
)
select registry, snapshot_date, coalesce(verdict, 'no run') as verdict, reason
from days left join nights using (registry, snapshot_date)
where verdict is distinct from 'complete'
