-- The bytes of the layers of each team. Each layer is counted once; `bytes_alone` has those of no other team.
with team_layers as (
  select distinct registry, split_part(repository, '/', 1) as team, digest, size from {{ ref('stg_layers') }}
), sharing as (
  select registry, digest, count(*) as teams from team_layers group by registry, digest
)
select
  registry,
  team,
  cast(sum(size) as bigint) as bytes,
  cast(coalesce(sum(size) filter (where teams = 1), 0) as bigint) as bytes_alone
from team_layers join sharing using (registry, digest)
group by registry, team
