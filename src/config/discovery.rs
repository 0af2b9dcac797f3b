//! `discovery` of a registry: a word, or a mapping with `type`; and the names of repositories in the configuration.

use std::collections::HashSet;

use url::Url;

use super::{address, auth};
use crate::discovery::DiscoverySettings;
use crate::registry::{ApiLogin, ApiSettings, Auth, Login, SecretSource, is_repository_name};
use yaml_sections::{Checked, Field, Section, YamlValue};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Catalog,
    Listed,
    Quay,
    Harbor,
    Gitlab,
    DockerHub,
    Acr,
    Gitea,
}

const TYPES: [(&str, Type); 9] = [
    ("catalog", Type::Catalog),
    ("listed", Type::Listed),
    ("quay", Type::Quay),
    ("harbor", Type::Harbor),
    ("gitlab", Type::Gitlab),
    ("docker_hub", Type::DockerHub),
    ("acr", Type::Acr),
    ("gitea", Type::Gitea),
    ("forgejo", Type::Gitea),
];

/// Said where an API would answer without a login, with less.
const ANONYMOUS: &str = "without a login, only what anybody may see is listed";
const DOCKER_HUB: &str = "https://hub.docker.com";

/// The registry that names are to be found for.
pub(super) struct Registry<'r> {
    pub(super) url: Option<&'r Url>,
    pub(super) auth: Option<&'r Auth>,
}

impl Registry<'_> {
    /// The registry's own login, where it has one.
    fn login(&self) -> Option<Login> {
        match self.auth {
            Some(Auth::Token(Some(login)) | Auth::Basic(login)) => Some(login.clone()),
            _ => None,
        }
    }
}

/// Reads `discovery`.
pub(super) fn read(field: &Field<'_>, registry: &Registry<'_>) -> Checked<DiscoverySettings> {
    let simple = match &field.node.value {
        YamlValue::Text(_) => Some(field.one_of(&TYPES)?),
        _ => None,
    };
    match simple {
        Some(Type::Catalog) => return Ok(DiscoverySettings::Catalog),
        Some(Type::Acr) => return Ok(DiscoverySettings::Acr),
        Some(Type::Harbor) if registry.login().is_none() => {
            field.note(ANONYMOUS, Some("write `{type: harbor, username: NAME, password_file: PATH}`".to_owned()));
            return Ok(harbor(ApiSettings::default(), Vec::new()));
        }
        Some(Type::Harbor) => return Ok(harbor(ApiSettings { url: None, login: basic(registry.login()) }, Vec::new())),
        Some(kind) => {
            let help = match kind {
                Type::Quay => "for example `{type: quay, namespaces: [my-org], token_file: PATH}`",
                Type::Gitlab => {
                    "for example `{type: gitlab, api_url: https://gitlab.example.org, groups: [my-group], token_file: PATH}`"
                }
                Type::DockerHub => "for example `{type: docker_hub, namespaces: [my-org]}`",
                Type::Gitea => "for example `{type: gitea, owners: [my-org], token_file: PATH}`",
                _ => "for example `{repositories: [my-org/app]}`",
            };
            return Err(field.problem("expected a mapping, found a word that needs more", Some(help.to_owned())));
        }
        None => {}
    }
    let mut section = field.section()?;
    let settings = mapping(&mut section, registry);
    section.finish();
    settings
}

fn harbor(api: ApiSettings, projects: Vec<String>) -> DiscoverySettings {
    DiscoverySettings::Harbor { api, projects }
}

fn basic(login: Option<Login>) -> ApiLogin {
    login.map_or(ApiLogin::Anonymous, ApiLogin::Basic)
}

fn mapping(section: &mut Section<'_>, registry: &Registry<'_>) -> Checked<DiscoverySettings> {
    section.rename(&[("namespace", "namespaces"), ("owner", "owners"), ("group", "groups"), ("project", "projects")]);
    let literals = auth::refuse_literals(section);
    let implied = if section.position_of("repositories").is_some() { Some(Type::Listed) } else { None };
    let kind = match (section.take("type"), implied) {
        (Some(field), _) => field.one_of(&TYPES),
        (None, Some(kind)) => Ok(kind),
        (None, None) => {
            Err(section.problem("`type` is missing", "for example `type: quay`, or `repositories: [my-org/app]`"))
        }
    };
    let kind = kind.inspect_err(|_| section.skip_rest())?;
    match kind {
        Type::Catalog => literals.map(|()| DiscoverySettings::Catalog),
        Type::Acr => literals.map(|()| DiscoverySettings::Acr),
        Type::Listed => {
            let names = section.required("repositories", "[my-org/app]", |field| repositories(field, registry.url));
            literals.and(names).map(DiscoverySettings::Listed)
        }
        Type::Quay => {
            let namespaces = section.required("namespaces", "[my-org]", names);
            let api = api(section, registry, None);
            let token = auth::secret(section, &auth::TOKEN);
            literals?;
            Ok(DiscoverySettings::Quay { api: api?.with(bearer(section, token?)?), namespaces: namespaces? })
        }
        Type::Gitlab => gitlab(section, registry, literals),
        Type::Gitea => gitea(section, registry, literals),
        Type::Harbor => {
            let projects = section.or("projects", Vec::new(), names);
            let api = api(section, registry, None);
            let login = login(section, registry).map(basic);
            literals?;
            Ok(harbor(api?.with(login?), projects?))
        }
        Type::DockerHub => {
            let namespaces = section.required("namespaces", "[my-org]", names);
            let api = api(section, registry, Some(DOCKER_HUB));
            let login = login(section, registry).map(|login| login.map_or(ApiLogin::Anonymous, ApiLogin::Exchanged));
            literals?;
            Ok(DiscoverySettings::DockerHub { api: api?.with(login?), namespaces: namespaces? })
        }
    }
}

fn gitlab(section: &mut Section<'_>, registry: &Registry<'_>, literals: Checked<()>) -> Checked<DiscoverySettings> {
    let groups = section.or("groups", Vec::new(), names);
    let projects = section.or("projects", Vec::new(), names);
    let api = api(section, registry, None);
    let token = auth::secret(section, &auth::TOKEN);
    if let (Ok(api), Some(url)) = (&api, registry.url)
        && api.0.is_none()
        && url.host_str() != Some("registry.gitlab.com")
    {
        let message = "`api_url` is missing: GitLab's API is on another host than its registry";
        return Err(section.problem(message, "for example `api_url: https://gitlab.example.org`"));
    }
    let api = api.map(|ApiUrl(url)| ApiUrl(url.or_else(|| Url::parse("https://gitlab.com").ok())));
    literals?;
    let login = bearer(section, token?)?;
    let (groups, projects) = (groups?, projects?);
    if groups.is_empty() && projects.is_empty() {
        return Err(section.problem("`groups` and `projects` are missing", "for example `groups: [my-group]`"));
    }
    Ok(DiscoverySettings::Gitlab { api: api?.with(login), groups, projects })
}

fn gitea(section: &mut Section<'_>, registry: &Registry<'_>, literals: Checked<()>) -> Checked<DiscoverySettings> {
    let owners = section.required("owners", "[my-org]", names);
    let api = api(section, registry, None);
    let token = auth::secret(section, &auth::TOKEN);
    literals?;
    let token = token?;
    if token.is_none() {
        section.note(ANONYMOUS, Some(format!("add {}", auth::TOKEN_SOURCES)));
    }
    let login = token.map_or(ApiLogin::Anonymous, ApiLogin::Token);
    Ok(DiscoverySettings::Gitea { api: api?.with(login), owners: owners? })
}

/// Where the API is; none: where the registry is.
struct ApiUrl(Option<Url>);

impl ApiUrl {
    fn with(self, login: ApiLogin) -> ApiSettings {
        ApiSettings { url: self.0, login }
    }
}

fn api(section: &mut Section<'_>, registry: &Registry<'_>, default: Option<&str>) -> Checked<ApiUrl> {
    let default = default.and_then(|url| Url::parse(url).ok());
    section
        .or("api_url", default, |field| {
            let url = address::url(field)?;
            if url.scheme() == "http" && registry.url.is_some_and(|registry| registry.scheme() == "https") {
                let help =
                    "write it with https: what is sent to it is as secret as what the registry is sent".to_owned();
                return Err(field.problem("expected https, as the registry has it", Some(help)));
            }
            if url.path().trim_matches('/').split('/').any(|part| part == "api") {
                let help = "without the path of the API, which every request adds".to_owned();
                return Err(field.problem("expected the address of the server", Some(help)));
            }
            Ok(Some(url))
        })
        .map(ApiUrl)
}

/// The login with a token that has to be there.
fn bearer(section: &Section<'_>, token: Option<SecretSource>) -> Checked<ApiLogin> {
    let missing = || section.problem("a token is missing", format!("add {}", auth::TOKEN_SOURCES));
    token.map(ApiLogin::Bearer).ok_or_else(missing)
}

/// The login that stands here, else the registry's own.
fn login(section: &mut Section<'_>, registry: &Registry<'_>) -> Checked<Option<Login>> {
    let username = section.optional("username", auth::username);
    let password = auth::secret(section, &auth::PASSWORD);
    let login = auth::login(section, username?, password?)?.or_else(|| registry.login());
    if login.is_none() {
        section.note(ANONYMOUS, Some(format!("add `username: NAME` and {}", auth::PASSWORD_SOURCES)));
    }
    Ok(login)
}

/// Names of namespaces, groups, owners or projects: at least one, each once.
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
            field
                .diagnostics
                .note(field_note.problem(format!("`{}`: named twice, and asked for once", field.key), None));
        } else {
            names.push(name);
        }
    }
    if names.is_empty() {
        return Err(field.problem("expected at least one name, found an empty list", None));
    }
    Ok(names)
}

/// Names of repositories: by the grammar, each once whatever its case.
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
                .note(place.problem(format!("`{}`: `{name}` stands here twice, and counts once", field.key), None));
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
    if !is_repository_name(&lower) {
        let help = match lower.split_once([':', '@']) {
            Some((name, _)) if is_repository_name(name) => format!("`{name}`: without a tag or a digest"),
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
