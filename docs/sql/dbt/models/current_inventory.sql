-- One row a tag; a repository without tags has one row too.
select registry, repository, r.state, t.tag, t.digest
from {{ ref('stg_repositories') }} r left join {{ ref('stg_tags') }} t using (registry, repository)
