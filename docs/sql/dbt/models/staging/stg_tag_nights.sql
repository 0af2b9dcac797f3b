-- The tags of every night.
select registry, snapshot_date, run_id, repository, tag, digest, observed_at
from {{ source('stocktake', 'tags') }}
