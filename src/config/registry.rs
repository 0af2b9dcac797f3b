//! One entry of `registries:`.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use globset::Glob;
use stocktake_sink::RegistryName;
use url::Url;

use super::settings::RegistryConfig;
use super::{address, auth, discovery, hints, schedule};
use crate::registry::{Auth, ClientCertificate, Kind, Pagination, Settings, Split};
use crate::snapshot::JudgeSettings;
use crate::walk::{Depth, NameFilter, WalkSettings};
use yaml_sections::{Checked, Field, Section, YamlValue, is_plain, named, nearest};

const PAGE_SIZE: NonZeroU32 = NonZeroU32::new(1000).expect("is not zero");
const CONCURRENCY: NonZeroUsize = NonZeroUsize::new(16).expect("is not zero");
const MAX_REPOSITORIES: u64 = 0;
const TIMEOUT: Duration = Duration::from_secs(30);
const RESUME_WITHIN: Duration = Duration::from_hours(1);

/// What forms of other programs call our keys.
const THEIR_NAMES: [(&str, &str); 7] = [
    ("registry_type", "kind"),
    ("auth_scope", "scope"),
    ("auth_service", "service"),
    ("max_repos", "max_repositories"),
    ("monitored_repos", "monitored_repositories"),
    ("rate_limit", "requests_per_second"),
    ("type", "kind"),
];
/// Keys of `auth` that may stand beside `url`, with their names there.
const LOGIN: [(&str, &str); 7] = [
    ("username", "username"),
    ("auth_type", "type"),
    ("password_file", "password_file"),
    ("password_env", "password_env"),
    ("token_file", "token_file"),
    ("token_env", "token_env"),
    ("credential", "credential"),
];
/// What forms of other programs call kinds; none: whatever it turns out to be.
const THEIR_KINDS: [(&str, Option<Kind>); 10] = [
    ("Quay.io", Some(Kind::Quay)),
    ("Docker Hub", Some(Kind::DockerHub)),
    ("Amazon ECR", Some(Kind::Ecr)),
    ("Azure ACR", Some(Kind::Acr)),
    ("Forgejo", Some(Kind::Gitea)),
    ("Generic Registry", None),
    ("generic", None),
    ("Google GCR", None),
    ("gcr", None),
    ("Auto-detect", None),
];

/// What the main file says for all registries.
pub(super) struct ForAll<'a> {
    /// The names that a registry may deliver to.
    pub(super) sinks: &'a [&'a str],
    /// The schedule keys of the main file; `None` if one of them is wrong.
    pub(super) schedule: Option<&'a schedule::Given>,
}

/// Reads one registry, whose name was read already; `main` is what the main file says for all.
pub(super) fn read(
    section: &mut Section<'_>,
    name: Checked<RegistryName>,
    main: &ForAll<'_>,
) -> Checked<RegistryConfig> {
    section.rename(&THEIR_NAMES);
    let literals = auth::refuse_literals(section);
    let url = section.required("url", "https://quay.io", address::url);
    let configured = section.or("kind", None, kind_of);
    let kind = configured.as_ref().ok().copied().flatten().or_else(|| Kind::of_url(url.as_ref().ok()?));
    let auth = auth(section, kind, literals.is_err());
    let discovery = section.optional("discovery", |field| {
        discovery::read(field, &discovery::Registry { url: url.as_ref().ok(), auth: auth.as_ref().ok() })
    });
    let walk = walk(section, kind, url.as_ref().ok());
    let schedule = schedule::of(section, name.as_ref().ok(), main.schedule);
    let client = client(section, Known { name, url, configured, kind, auth });
    let judge = judge(section);
    let all = main.sinks.iter().map(|&name| name.to_owned()).collect();
    let sinks = section.or("sinks", all, |field| chosen(field, main.sinks));
    let (client, walk, discovery) = (client?, walk?, discovery?);
    let lists_nothing = kind.filter(|kind| !kind.habits().has_catalog);
    if let (None, Some(kind)) = (&discovery, lists_nothing) {
        let (message, help) = hints::no_catalog(kind);
        return Err(section.problem(message, help));
    }
    literals?;
    let discovery = discovery.unwrap_or_default();
    Ok(RegistryConfig { client, discovery, walk, schedule: schedule?, judge: judge?, sinks: sinks? })
}

/// What was read before everything else.
struct Known {
    name: Checked<RegistryName>,
    url: Checked<Url>,
    /// As the configuration says.
    configured: Checked<Option<Kind>>,
    /// The same, or as the host tells it.
    kind: Option<Kind>,
    auth: Checked<Auth>,
}

fn client(section: &mut Section<'_>, known: Known) -> Checked<Settings> {
    let Known { name, url, configured, kind, auth } = known;
    let scope = section.or("scope", Vec::new(), |field| hints::scopes(kind, field));
    let service = section.optional("service", |field| {
        let service = text(field)?;
        hints::service(kind, url.as_ref().ok(), field, &service);
        Ok(service)
    });
    let page_size = kind.and_then(|kind| NonZeroU32::new(kind.habits().page_size)).unwrap_or(PAGE_SIZE);
    let page_size = section.or("page_size", page_size, |field| field.positive(10_000));
    let paginations = [("auto", Pagination::Auto), ("strict", Pagination::Strict), ("repair", Pagination::Repair)];
    let pagination = section.or("pagination", Pagination::default(), |field| field.one_of(&paginations));
    let concurrency = section.or("concurrency", CONCURRENCY, |field| field.positive(1_000));
    let requests_per_second = section.optional("requests_per_second", |field| field.positive(10_000));
    let splits = [("auto", Split::Auto), ("always", Split::Always), ("off", Split::Off)];
    let split = section.or("split", Split::default(), |field| field.one_of(&splits));
    let realm_hosts = section.or("realm_hosts", Vec::new(), |field| field.each(address::host));
    let allow_hosts = section.or("allow_hosts", Vec::new(), |field| field.each(address::allowed_host));
    let tls = tls(section, url.as_ref().ok());
    let timeout = section.or("timeout", TIMEOUT, Field::duration);
    let (ca_file, insecure_tls, client_certificate) = tls?;
    Ok(Settings {
        name: name?,
        url: url?,
        kind: configured?,
        auth: auth?,
        scope: scope?,
        service: service?,
        page_size: page_size?,
        concurrency: concurrency?,
        requests_per_second: requests_per_second?,
        split: split?,
        pagination: pagination?,
        realm_hosts: realm_hosts?,
        allow_hosts: allow_hosts?,
        ca_file,
        insecure_tls,
        client_certificate,
        timeout: timeout?,
    })
}

/// The kind; none: it is found out.
fn kind_of(field: &Field<'_>) -> Checked<Option<Kind>> {
    let text = field.text()?;
    if let Some((words, kind)) = THEIR_KINDS.iter().find(|(words, _)| text.eq_ignore_ascii_case(words)) {
        let read = kind.map_or("auto", Kind::as_str);
        field.note(format!("`{words}` is read as `{read}`"), None);
        return Ok(*kind);
    }
    let words: Vec<_> =
        std::iter::once(("auto", None)).chain(Kind::ALL.map(|(word, kind)| (word, Some(kind)))).collect();
    field.one_of(&words)
}

/// `auth`, or its keys where they stand beside `url`. `refused`: a secret was, and stands for the one that is missing.
fn auth(section: &mut Section<'_>, kind: Option<Kind>, refused: bool) -> Checked<Auth> {
    let beside = section.split_off(&LOGIN);
    match (section.take("auth"), beside) {
        (None, None) => Ok(Auth::Token(None)),
        (None, Some(_)) if refused => Ok(Auth::None),
        (Some(_), Some(beside)) => {
            Err(beside.problem("a login stands here, and another in `auth`", "move what stands here into `auth`"))
        }
        (Some(field), None) => {
            let auth = auth::read(&field);
            if let YamlValue::Map(_) = &field.node.value {
                field.section()?.optional("username", |field| hints::username(kind, field))?;
            }
            hints::login(kind, &field, auth.as_ref().ok());
            auth
        }
        (None, Some(mut beside)) => {
            beside.note("the login beside `url` is read as `auth`", None);
            let auth = auth::read_section(&mut beside);
            beside.optional("username", |field| hints::username(kind, field))?;
            auth
        }
    }
}

/// What `tls` reads: `ca_file`, `insecure_tls`, and the client's own certificate with its key.
type Tls = (Option<PathBuf>, bool, Option<ClientCertificate>);

/// The settings of TLS. One that would be without effect is a problem, since somebody relies on it.
fn tls(section: &mut Section<'_>, url: Option<&Url>) -> Checked<Tls> {
    let clear_text = url.is_some_and(|url| url.scheme() == "http");
    let effective = |field: &Field<'_>| {
        let help = "write the url with https, or leave this out";
        if clear_text { Err(field.problem("has no effect on an http url", Some(help.to_owned()))) } else { Ok(()) }
    };
    let insecure_tls = section.or("insecure_tls", false, |field| {
        let insecure = field.bool()?;
        if insecure { effective(field).map(|()| true) } else { Ok(false) }
    });
    let ca_file = section.optional("ca_file", |field| {
        let path = field.path()?;
        effective(field)?;
        if let Ok(true) = insecure_tls {
            let help = "leave `insecure_tls` out: with the right `ca_file` it is not needed";
            return Err(field.problem("has no effect beside `insecure_tls: true`", Some(help.to_owned())));
        }
        Ok(path)
    });
    let mut own = |key| section.optional(key, |field| effective(field).and_then(|()| field.path()));
    let (certificate, key) = (own("client_cert_file"), own("client_key_file"));
    let client_certificate = match (certificate?, key?) {
        (Some(certificate), Some(key)) => Some(ClientCertificate { certificate, key }),
        (None, None) => None,
        (certificate, _) => {
            let names = ["client_cert_file", "client_key_file"];
            let (given, missing) = if certificate.is_some() { (names[0], names[1]) } else { (names[1], names[0]) };
            return Err(section.problem(format!("`{given}` needs `{missing}`"), format!("add `{missing}: PATH`")));
        }
    };
    Ok((ca_file?, insecure_tls?, client_certificate))
}

fn walk(section: &mut Section<'_>, kind: Option<Kind>, url: Option<&Url>) -> Checked<WalkSettings> {
    let depths = [("repositories", Depth::Repositories), ("tags", Depth::Tags), ("manifests", Depth::Manifests)];
    let depth = section.or("depth", Depth::default(), |field| field.one_of(&depths));
    let monitored = section.or("monitored_repositories", Vec::new(), |field| discovery::repositories(field, url));
    let resume_within = section.or("resume_within", RESUME_WITHIN, Field::duration_or_off);
    let max_repositories = section.or("max_repositories", MAX_REPOSITORIES, |field| {
        let most = field.whole(0..=u64::MAX)?;
        hints::limit(kind, field, most);
        Ok(most)
    });
    let mut patterns = |key| section.or(key, Vec::new(), |field| field.each(pattern));
    let (include, exclude) = (patterns("include"), patterns("exclude"));
    let filter = NameFilter::new(&include?, &exclude?).map_err(|_| {
        section.problem("`include` and `exclude` are too large together", "name fewer or simpler patterns")
    });
    Ok(WalkSettings {
        max_repositories: max_repositories?,
        filter: filter?,
        depth: depth?,
        monitored: monitored?,
        resume_within: resume_within?,
    })
}

fn judge(section: &mut Section<'_>) -> Checked<JudgeSettings> {
    let default = JudgeSettings::default();
    let allow_empty = section.or("allow_empty", default.allow_empty, Field::bool);
    let shrink_limit = section.or("shrink_limit", default.shrink_limit, Field::share);
    Ok(JudgeSettings { allow_empty: allow_empty?, shrink_limit: shrink_limit? })
}

/// The sinks that `sinks:` of a registry names.
fn chosen(field: &Field<'_>, known: &[&str]) -> Checked<Vec<String>> {
    let mut names = Vec::<String>::new();
    let read = field.each(|field| {
        let name = field.text()?;
        // No sink known at all is a problem of its own, reported where sinks are read.
        if !known.contains(&name) && !known.is_empty() {
            let known: Vec<_> = known.iter().copied().filter(|name| is_plain(name)).collect();
            let near = nearest(name, &known).map(|near| format!("did you mean `{near}`?"));
            let all = || format!("known: {}", known.join(", "));
            return Err(field.problem(named("there is no sink", name), Some(near.unwrap_or_else(all))));
        }
        Ok((name, field.position.clone()))
    })?;
    if read.is_empty() {
        let help = "leave it out for all sinks".to_owned();
        return Err(field.problem("expected at least one sink, found an empty list", Some(help)));
    }
    for (name, place) in read {
        if names.iter().any(|known| known == name) {
            return Err(field.diagnostics.add(place.problem(named("`sinks`: twice the sink", name), None)));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

fn text(field: &Field<'_>) -> Checked<String> {
    field.text().map(str::to_owned)
}

fn pattern(field: &Field<'_>) -> Checked<Glob> {
    field.parse(|text| NameFilter::pattern(text).map_err(|error| format!("not a pattern: {}", error.kind())))
}
