-- The current repositories, with the team that owns each: the first part of its name.
select
  registry,
  repository,
  split_part(repository, '/', 1) as team,
  state,
  error_code,
  tag_count,
  monitored,
  run_id,
  observed_at
from {{ source('stocktake_latest', 'repositories') }}
