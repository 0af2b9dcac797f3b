-- Every digest that a tag leads to, also through indexes: where a digest is deployed from.
with recursive reached as (
  select registry, repository, tag, digest from {{ ref('stg_tags') }} where digest is not null
  union
  select r.registry, r.repository, r.tag, c.child_digest
  from reached r join {{ ref('stg_manifest_children') }} c
    on r.registry = c.registry and r.repository = c.repository and r.digest = c.digest
)
select registry, repository, tag, digest from reached
