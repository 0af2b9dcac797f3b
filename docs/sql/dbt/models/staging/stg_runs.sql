-- Every run, with the first reason why it is not complete.
select
  registry,
  snapshot_date,
  run_id,
  scheduled_at,
  started_at,
  finished_at,
  verdict,
  verdict in ('complete', 'gaps') as is_published,
  rows_repositories,
  rows_tags,
  rows_changes,
  {% if target.type == 'postgres' %}errors::jsonb -> 0 ->> 'message'{% else %}errors[1].message{% endif %} as reason
from {{ source('stocktake', 'runs') }}
