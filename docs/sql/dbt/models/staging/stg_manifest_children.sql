-- One row a manifest that a current index names.
{% if target.type == 'postgres' %}
select registry, repository, digest, child as child_digest
from {{ source('stocktake_latest', 'manifests') }},
  jsonb_array_elements_text(child_digests::jsonb) as child
{% else %}
select registry, repository, digest, unnest(child_digests) as child_digest
from {{ source('stocktake_latest', 'manifests') }}
{% endif %}
