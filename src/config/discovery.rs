//! `discovery` of a registry: a word, or a mapping with `type`. Also reads names of repositories.

use std::collections::HashSet;

use url::Url;

use super::{address, auth};
use crate::discovery::DiscoverySettings;
use crate::registry::Auth;
use crate::registry::PasswordLogin;
use crate::registry::RepositoryRef;
use crate::registry::SecretSource;
use crate::registry::api::ApiLogin;
use crate::registry::api::ApiSettings;
use yaml_sections::Phrase::{self, Computed, Plain};
use yaml_sections::{Checked, Field, OptionalKey, RequiredKey, Section, YamlValue, alternatives};

use super::phrases::{self, NAMES, NONE};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum DiscoveryType {
    Catalog,
    Listed,
    Quay,
    Harbor,
    Gitlab,
    DockerHub,
    Acr,
    Gitea,
}

pub(super) const TYPES: [(&str, DiscoveryType); 9] = [
    ("catalog", DiscoveryType::Catalog),
    ("listed", DiscoveryType::Listed),
    ("quay", DiscoveryType::Quay),
    ("harbor", DiscoveryType::Harbor),
    ("gitlab", DiscoveryType::Gitlab),
    ("docker_hub", DiscoveryType::DockerHub),
    ("acr", DiscoveryType::Acr),
    ("gitea", DiscoveryType::Gitea),
    ("forgejo", DiscoveryType::Gitea),
];

/// The note where an API answers without a login, with a shorter list.
const ANONYMOUS: &str = "without a login, only public repositories are listed";
const DOCKER_HUB: &str = "https://hub.docker.com";
const GITLAB: &str = "https://gitlab.com";
const GITLAB_REGISTRY: &str = "registry.gitlab.com";
const API_URL_VALUES: Phrase = Plain("a URL without the path of the API");

static TYPE: OptionalKey = OptionalKey::new(
    "type",
    Computed(|| alternatives(&TYPES.map(|(word, _)| word))),
    Plain("`listed` if `repositories` is present, else a problem"),
    "Where the names come from; see the tables of the types.",
);
static REPOSITORIES: RequiredKey =
    RequiredKey::new("repositories", phrases::REPOSITORIES, "[my-org/app]", "The repositories. No list is requested.");
static NAMESPACES: RequiredKey =
    RequiredKey::new("namespaces", NAMES, "[my-org]", "Namespaces whose repositories are listed.");
static OWNERS: RequiredKey =
    RequiredKey::new("owners", NAMES, "[my-org]", "Users and organizations whose repositories are listed.");
static GROUPS: OptionalKey =
    OptionalKey::new("groups", NAMES, NONE, "Groups whose repositories are listed. Needed if there are no `projects`.");
static GITLAB_PROJECTS: OptionalKey = OptionalKey::new(
    "projects",
    NAMES,
    NONE,
    "Projects whose repositories are listed. Needed if there are no `groups`.",
);
static HARBOR_PROJECTS: OptionalKey =
    OptionalKey::new("projects", NAMES, Plain("all projects"), "Projects whose repositories are listed.");
static API_URL: OptionalKey =
    OptionalKey::new("api_url", API_URL_VALUES, Plain("the `url` of the registry"), "Address of the API.");
static GITLAB_API_URL: OptionalKey = OptionalKey::new(
    "api_url",
    API_URL_VALUES,
    Computed(|| format!("`{GITLAB}` for `{GITLAB_REGISTRY}`, else a problem")),
    "Address of GitLab's API, which is on another host than its registry.",
);
static DOCKER_HUB_API_URL: OptionalKey =
    OptionalKey::new("api_url", API_URL_VALUES, Computed(|| format!("`{DOCKER_HUB}`")), "Address of the API.");

/// The registry whose repositories are listed.
#[derive(Default)]
pub(super) struct ListedRegistry<'r> {
    pub(super) url: Option<&'r Url>,
    pub(super) auth: Option<&'r Auth>,
}

impl ListedRegistry<'_> {
    /// The user name and password of the registry, if it has them.
    fn login(&self) -> Option<PasswordLogin> {
        match self.auth {
            Some(Auth::Token(Some(login)) | Auth::Basic(login)) => Some(login.clone()),
            _ => None,
        }
    }
}

/// Reads `discovery`.
pub(super) fn read(field: &Field<'_>, registry: &ListedRegistry<'_>) -> Checked<DiscoverySettings> {
    let simple = match &field.node.value {
        YamlValue::Text(_) => Some(field.one_of(&TYPES)?),
        _ => None,
    };
    match simple {
        Some(DiscoveryType::Catalog) => return Ok(DiscoverySettings::Catalog),
        Some(DiscoveryType::Acr) => return Ok(DiscoverySettings::Acr),
        Some(DiscoveryType::Harbor) if registry.login().is_none() => {
            field.note(ANONYMOUS, Some("write `{type: harbor, username: NAME, password_file: PATH}`".to_owned()));
            return Ok(harbor(ApiSettings::default(), Vec::new()));
        }
        Some(DiscoveryType::Harbor) => {
            return Ok(harbor(ApiSettings { url: None, login: basic(registry.login()) }, Vec::new()));
        }
        Some(kind) => {
            let help = match kind {
                DiscoveryType::Quay => "for example `{type: quay, namespaces: [my-org], token_file: PATH}`",
                DiscoveryType::Gitlab => {
                    "for example `{type: gitlab, api_url: https://gitlab.example.org, groups: [my-group], token_file: PATH}`"
                }
                DiscoveryType::DockerHub => "for example `{type: docker_hub, namespaces: [my-org]}`",
                DiscoveryType::Gitea => "for example `{type: gitea, owners: [my-org], token_file: PATH}`",
                _ => "for example `{repositories: [my-org/app]}`",
            };
            return Err(field.problem("expected a mapping, found a word that needs more", Some(help.to_owned())));
        }
        None => {}
    }
    let mut section = field.with_example("{repositories: [my-org/app]}").section()?;
    let settings = mapping(&mut section, registry);
    section.finish();
    settings
}

fn harbor(api: ApiSettings, projects: Vec<String>) -> DiscoverySettings {
    DiscoverySettings::Harbor { api, projects }
}

fn basic(login: Option<PasswordLogin>) -> ApiLogin {
    login.map_or(ApiLogin::Anonymous, ApiLogin::Basic)
}

/// Reads the keys of `discovery`.
pub(super) fn mapping(section: &mut Section<'_>, registry: &ListedRegistry<'_>) -> Checked<DiscoverySettings> {
    section.rename(&[("namespace", "namespaces"), ("owner", "owners"), ("group", "groups"), ("project", "projects")]);
    let literals = auth::refuse_literals(section);
    let implied = if section.position_of("repositories").is_some() { Some(DiscoveryType::Listed) } else { None };
    let kind = match (section.take(&TYPE), implied) {
        (Some(field), _) => field.one_of(&TYPES),
        (None, Some(kind)) => Ok(kind),
        (None, None) => {
            Err(section.problem("`type` is missing", "for example `type: quay`, or `repositories: [my-org/app]`"))
        }
    };
    let kind = kind.inspect_err(|_| section.skip_rest())?;
    match kind {
        DiscoveryType::Catalog => literals.map(|()| DiscoverySettings::Catalog),
        DiscoveryType::Acr => literals.map(|()| DiscoverySettings::Acr),
        DiscoveryType::Listed => {
            let names = section.required(&REPOSITORIES, |field| repositories(field, registry.url));
            literals.and(names).map(DiscoverySettings::Listed)
        }
        DiscoveryType::Quay => {
            let namespaces = section.required(&NAMESPACES, names);
            let api = api(section, registry, &API_URL, None);
            let token = auth::secret(section, &auth::TOKEN);
            literals?;
            Ok(DiscoverySettings::Quay { api: api?.with(bearer(section, token?)?), namespaces: namespaces? })
        }
        DiscoveryType::Gitlab => gitlab(section, registry, literals),
        DiscoveryType::Gitea => gitea(section, registry, literals),
        DiscoveryType::Harbor => {
            let projects = section.or_empty(&HARBOR_PROJECTS, names);
            let api = api(section, registry, &API_URL, None);
            let login = login(section, registry).map(basic);
            literals?;
            Ok(harbor(api?.with(login?), projects?))
        }
        DiscoveryType::DockerHub => {
            let namespaces = section.required(&NAMESPACES, names);
            let api = api(section, registry, &DOCKER_HUB_API_URL, Some(DOCKER_HUB));
            let login = login(section, registry).map(|login| login.map_or(ApiLogin::Anonymous, ApiLogin::Exchanged));
            literals?;
            Ok(DiscoverySettings::DockerHub { api: api?.with(login?), namespaces: namespaces? })
        }
    }
}

fn gitlab(
    section: &mut Section<'_>,
    registry: &ListedRegistry<'_>,
    literals: Checked<()>,
) -> Checked<DiscoverySettings> {
    let groups = section.or_empty(&GROUPS, names);
    let projects = section.or_empty(&GITLAB_PROJECTS, names);
    let api = api(section, registry, &GITLAB_API_URL, None);
    let token = auth::secret(section, &auth::TOKEN);
    if let (Ok(api), Some(url)) = (&api, registry.url)
        && api.0.is_none()
        && url.host_str() != Some(GITLAB_REGISTRY)
    {
        let message = "`api_url` is missing: GitLab's API is on another host than its registry";
        return Err(section.problem(message, "for example `api_url: https://gitlab.example.org`"));
    }
    let api = api.map(|ApiUrl(url)| ApiUrl(url.or_else(|| Url::parse(GITLAB).ok())));
    literals?;
    let login = bearer(section, token?)?;
    let (groups, projects) = (groups?, projects?);
    if groups.is_empty() && projects.is_empty() {
        return Err(section.problem("`groups` and `projects` are missing", "for example `groups: [my-group]`"));
    }
    Ok(DiscoverySettings::Gitlab { api: api?.with(login), groups, projects })
}

fn gitea(
    section: &mut Section<'_>,
    registry: &ListedRegistry<'_>,
    literals: Checked<()>,
) -> Checked<DiscoverySettings> {
    let owners = section.required(&OWNERS, names);
    let api = api(section, registry, &API_URL, None);
    let token = auth::secret(section, &auth::TOKEN);
    literals?;
    let token = token?;
    if token.is_none() {
        section.note(ANONYMOUS, Some(format!("add {}", auth::TOKEN_SOURCES)));
    }
    let login = token.map_or(ApiLogin::Anonymous, ApiLogin::Token);
    Ok(DiscoverySettings::Gitea { api: api?.with(login), owners: owners? })
}

/// The address of the API. `None`: the address of the registry.
struct ApiUrl(Option<Url>);

impl ApiUrl {
    fn with(self, login: ApiLogin) -> ApiSettings {
        ApiSettings { url: self.0, login }
    }
}

fn api(
    section: &mut Section<'_>,
    registry: &ListedRegistry<'_>,
    key: &'static OptionalKey,
    default: Option<&str>,
) -> Checked<ApiUrl> {
    let default = default.and_then(|url| Url::parse(url).ok());
    section
        .optional(key, |field| {
            let url = address::url(field)?;
            if url.scheme() == "http" && registry.url.is_some_and(|registry| registry.scheme() == "https") {
                let help = "write it with https: the API receives secrets, as the registry does".to_owned();
                return Err(field.problem("expected https, because the registry has it", Some(help)));
            }
            if url.path().trim_matches('/').split('/').any(|part| part == "api") {
                let help = "without the path of the API, which every request adds".to_owned();
                return Err(field.problem("expected the address of the server", Some(help)));
            }
            Ok(url)
        })
        .map(|url| ApiUrl(url.or(default)))
}

/// The login with a token, which must be present.
fn bearer(section: &Section<'_>, token: Option<SecretSource>) -> Checked<ApiLogin> {
    let missing = || section.problem("a token is missing", format!("add {}", auth::TOKEN_SOURCES));
    token.map(ApiLogin::Bearer).ok_or_else(missing)
}

/// The login of this mapping, else that of the registry.
fn login(section: &mut Section<'_>, registry: &ListedRegistry<'_>) -> Checked<Option<PasswordLogin>> {
    let username = section.optional(&auth::USERNAME, auth::username);
    let password = auth::secret(section, &auth::PASSWORD);
    let login = auth::login(section, username?, password?)?.or_else(|| registry.login());
    if login.is_none() {
        section.note(ANONYMOUS, Some(format!("add `username: NAME` and {}", auth::PASSWORD_SOURCES)));
    }
    Ok(login)
}

/// Names of namespaces, groups, owners or projects: at least one. Repeated names are dropped with a note.
fn names(field: &Field<'_>) -> Checked<Vec<String>> {
    let mut names = Vec::<String>::new();
    for (name, field_note) in field.each(|field| {
        let name = match &field.node.value {
            // GitLab's groups and projects have numbers.
            YamlValue::Whole(number) if *number > 0 => number.to_string(),
            _ => field.text()?.trim_matches('/').to_owned(),
        };
        if name.is_empty() || name == "." || name == ".." {
            return Err(field.problem("expected a name, found none", None));
        }
        Ok((name, field.position.clone()))
    })? {
        if names.contains(&name) {
            field.diagnostics.note(field_note.problem(format!("`{}`: named twice, requested once", field.key), None));
        } else {
            names.push(name);
        }
    }
    if names.is_empty() {
        return Err(field.problem("expected at least one name, found an empty list", None));
    }
    Ok(names)
}

/// Names of repositories, checked by the grammar and in lower case. Repeated names are dropped with a note.
pub(super) fn repositories(field: &Field<'_>, url: Option<&Url>) -> Checked<Vec<String>> {
    let read = field.each(|field| Ok((repository(field, url)?, field.position.clone())))?;
    if read.is_empty() {
        return Err(field.problem("expected at least one repository, found an empty list", None));
    }
    let mut met = HashSet::new();
    let mut names = Vec::new();
    for (name, place) in read {
        if met.insert(name.clone()) {
            names.push(name);
        } else {
            field
                .diagnostics
                .note(place.problem(format!("`{}`: `{name}` is here twice, and counts once", field.key), None));
        }
    }
    Ok(names)
}

fn repository(field: &Field<'_>, url: Option<&Url>) -> Checked<String> {
    let text = field.text()?;
    let lower = text.to_ascii_lowercase();
    let host = url.and_then(Url::host_str).unwrap_or_default();
    let after_host = lower.strip_prefix(host).filter(|_| !host.is_empty());
    if after_host.is_some_and(|rest| rest.starts_with('/') || rest.starts_with(':')) {
        let help = "the name alone, for example `my-org/app`: the host stands in `url`".to_owned();
        return Err(field.problem("expected a repository without its host", Some(help)));
    }
    if !RepositoryRef::is_valid_name(&lower) {
        let help = match lower.split_once([':', '@']) {
            Some((name, _)) if RepositoryRef::is_valid_name(name) => format!("`{name}`: without a tag or a digest"),
            _ => {
                "for example `my-org/app`: lower-case letters and digits, with `.`, `_` or `-` between them".to_owned()
            }
        };
        return Err(field.problem("expected the name of a repository", Some(help)));
    }
    if lower != text {
        field.note(format!("read as `{lower}`: names of repositories are in lower case"), None);
    }
    Ok(lower)
}
