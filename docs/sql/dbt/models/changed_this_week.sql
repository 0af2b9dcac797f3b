-- What the registries have changed in the last seven days.
select registry, repository, tag, op, old_digest, new_digest, detected_at
from {{ ref('stg_changes') }}
where detected_at >= now() - interval '7 days' and cause = 'registry'
