-- One row a layer of a current manifest.
{% if target.type == 'postgres' %}
select registry, repository, m.digest as manifest_digest, layer.digest, layer.size
from {{ source('stocktake_latest', 'manifests') }} m,
  jsonb_to_recordset(layers::jsonb) as layer(digest text, size bigint)
{% else %}
select registry, repository, manifest_digest, layer.digest as digest, layer.size as size
from (
  select registry, repository, digest as manifest_digest, unnest(layers) as layer
  from {{ source('stocktake_latest', 'manifests') }}
) unnested
{% endif %}
