-- What differs from the night before, by registry and configuration.
select
  registry,
  snapshot_date,
  run_id,
  entity,
  repository,
  tag,
  op,
  cause,
  old_digest,
  new_digest,
  previous_run_id,
  detected_at
from {{ source('stocktake', 'changes') }}
