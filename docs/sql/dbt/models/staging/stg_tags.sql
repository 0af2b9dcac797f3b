-- The current tags.
select registry, repository, tag, digest, media_type, size_bytes, run_id, observed_at
from {{ source('stocktake_latest', 'tags') }}
