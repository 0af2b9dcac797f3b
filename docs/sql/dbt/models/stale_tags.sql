-- Tags that have not moved for two weeks and whose newest image was built more than a month ago.
select h.registry, h.repository, h.tag, h.valid_from as unchanged_since, max(m.created_at) as created_at
from {{ ref('tag_history') }} h
join {{ ref('tag_digests') }} d on h.registry = d.registry and h.repository = d.repository and h.tag = d.tag
join {{ ref('stg_manifests') }} m
  on d.registry = m.registry and d.repository = m.repository and d.digest = m.digest
where h.valid_to is null and h.valid_from < now() - interval '14 days'
group by h.registry, h.repository, h.tag, h.valid_from
having max(m.created_at) < now() - interval '30 days'
