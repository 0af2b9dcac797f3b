-- One row for each digest that a tag pointed to, with the time from which and until which it did (SCD 2).
with beginnings as (
  select registry, min(run_id) as run_id from {{ ref('stg_runs') }} where is_published group by registry
), events as (
  select registry, repository, tag, 'added' as op, digest, observed_at as happened_at
  from {{ ref('stg_tag_nights') }} join beginnings using (registry, run_id)
  union all
  select c.registry, repository, tag, op, new_digest, detected_at
  from {{ ref('stg_changes') }} c join beginnings b on c.registry = b.registry and c.run_id > b.run_id
  where entity = 'tag'
), spans as (
  select *, lead(happened_at) over (partition by registry, repository, tag order by happened_at) as valid_to
  from events
)
select registry, repository, tag, digest, happened_at as valid_from, valid_to from spans where op <> 'removed'
