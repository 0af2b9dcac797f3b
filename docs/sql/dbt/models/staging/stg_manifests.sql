-- The current manifests, without what is nested in them.
select
  registry,
  repository,
  digest,
  media_type,
  kind,
  os,
  architecture,
  layer_count,
  total_size_bytes,
  created_at,
  run_id,
  observed_at
from {{ source('stocktake_latest', 'manifests') }}
