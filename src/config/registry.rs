//! One entry of `registries:`.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use stocktake_sink::RegistryName;
use url::Url;

use super::phrases::{BOOL, DURATION, NAMES, NONE, PATH, TEXT, whole};
use super::readable::Readable;
use super::settings::RegistryConfig;
use super::{address, auth, discovery, hints, other_names, schedule, walk};
use crate::registry::Auth;
use crate::registry::ClientCertificate;
use crate::registry::Pagination;
use crate::registry::RegistryKind;
use crate::registry::RegistrySettings;
use crate::registry::Split;
use yaml_sections::Phrase::{Computed, Plain};
use yaml_sections::{
    Checked, DefaultKey, DerivedKey, Field, OptionalKey, RequiredKey, Section, YamlValue, alternatives, is_plain,
    named, nearest,
};

const DEFAULT_PAGE_SIZE: NonZeroU32 = RegistrySettings::PAGE_SIZE;
const LARGEST_PAGE_SIZE: u32 = 10_000;
const MOST_CONCURRENT_REQUESTS: u32 = 1_000;
const MOST_REQUESTS_PER_SECOND: u32 = 10_000;
/// Each takes as much room on the disk as one inventory.
const MOST_UNDELIVERED: u32 = 366;
const PAGINATIONS: [(&str, Pagination); 3] =
    [("auto", Pagination::Auto), ("strict", Pagination::Strict), ("repair", Pagination::Repair)];
const SPLITS: [(&str, Split); 3] = [("auto", Split::Auto), ("always", Split::Always), ("off", Split::Off)];

static URL: RequiredKey = RequiredKey::new(
    "url",
    Plain("an `https://` or `http://` URL without `/v2`"),
    "https://quay.io",
    "Address of the registry.",
);
static KIND: OptionalKey = OptionalKey::new(
    "kind",
    Computed(|| {
        let kinds: Vec<_> = std::iter::once("auto").chain(RegistryKind::ALL.map(|(word, _)| word)).collect();
        alternatives(&kinds)
    }),
    Plain("`auto`: told by the host or by the answers"),
    "Software of the registry. It changes defaults of other keys only.",
);
static AUTH: OptionalKey = OptionalKey::new(
    "auth",
    Plain("a mapping, `token`, `docker_config` or `none`"),
    Plain("`token`, without a login"),
    "How to log in. A user name, and the file, variable or credential of a secret, may also stand beside `url`.",
);
static DISCOVERY: OptionalKey = OptionalKey::new(
    "discovery",
    Plain("a mapping, `catalog`, `harbor` or `acr`"),
    Plain("`catalog`, if the kind of registry has one"),
    "Where the names of repositories come from.",
);
static SCOPE: OptionalKey = OptionalKey::new(
    "scope",
    Plain("a scope, or a list of scopes"),
    NONE,
    "Scope of the token with which repositories are listed, if the registry needs one.",
);
static SERVICE: OptionalKey = OptionalKey::new(
    "service",
    TEXT,
    Plain("the service that the registry names"),
    "Service that is named to the token service.",
);
static PAGE_SIZE: DerivedKey = DerivedKey::new(
    "page_size",
    Computed(|| whole(1, LARGEST_PAGE_SIZE.into())),
    Computed(default_page_sizes),
    "Repositories that one page of a list should have.",
);
static PAGINATION: DefaultKey<Pagination> = DefaultKey::one_of(
    "pagination",
    &PAGINATIONS,
    Pagination::default,
    "Links that leave the path of the catalog: `strict` follows them, `repair` keeps to the path, `auto` decides by kind.",
);
static CONCURRENCY: DefaultKey<NonZeroUsize> = DefaultKey::new(
    "concurrency",
    Computed(|| whole(1, MOST_CONCURRENT_REQUESTS.into())),
    || RegistrySettings::CONCURRENCY,
    "Requests to this registry at the same time.",
);
static REQUESTS_PER_SECOND: OptionalKey = OptionalKey::new(
    "requests_per_second",
    Computed(|| whole(1, MOST_REQUESTS_PER_SECOND.into())),
    Plain("no limit; after a 429, the rate that the registry accepts"),
    "Requests that start in one second.",
);
static SPLIT: DefaultKey<Split> =
    DefaultKey::one_of("split", &SPLITS, Split::default, "Whether one catalog is walked on several connections.");
static REALM_HOSTS: OptionalKey = OptionalKey::new(
    "realm_hosts",
    Plain("`HOST` or `HOST:PORT`, or a list of them"),
    NONE,
    "Further hosts to which the login may be sent for a token.",
);
static ALLOW_HOSTS: OptionalKey = OptionalKey::new(
    "allow_hosts",
    Plain("`HOST`, `HOST:PORT`, an address or a range such as `10.2.0.0/16`, or a list of them"),
    NONE,
    "Hosts outside the public internet to which the registry may send requests: token services, storage of blobs.",
);
static TIMEOUT: DefaultKey<Duration> =
    DefaultKey::new("timeout", DURATION, || RegistrySettings::TIMEOUT, "Longest time that one request may take.");
static CA_FILE: OptionalKey =
    OptionalKey::new("ca_file", PATH, NONE, "Certificates, in PEM, that are trusted besides those of the system.");
static INSECURE_TLS: DefaultKey<bool> =
    DefaultKey::new("insecure_tls", BOOL, || false, "Accept any certificate of the registry.");
static CLIENT_CERT_FILE: OptionalKey =
    OptionalKey::new("client_cert_file", PATH, NONE, "Client certificate in PEM. Needs `client_key_file`.");
static CLIENT_KEY_FILE: OptionalKey = OptionalKey::new(
    "client_key_file",
    PATH,
    NONE,
    "Private key of the client certificate, in PEM, not encrypted, protected from other users.",
);
static KEEP_UNDELIVERED: DefaultKey<NonZeroUsize> = DefaultKey::new(
    "keep_undelivered",
    Computed(|| whole(1, MOST_UNDELIVERED.into())),
    || NonZeroUsize::new(7).expect("is not zero"),
    "Inventories that are kept for a sink that does not take them, the newest included. Older ones are given up.",
);
static SINKS: DerivedKey =
    DerivedKey::new("sinks", NAMES, Plain("all sinks"), "Sinks to which the inventory of this registry is delivered.");

fn default_page_sizes() -> String {
    let mut text = format!("`{DEFAULT_PAGE_SIZE}`");
    for (word, kind) in RegistryKind::ALL {
        let size = kind.habits().page_size;
        if size != 0 && size != DEFAULT_PAGE_SIZE.get() {
            text.extend(["; ", word, ": `", &size.to_string(), "`"]);
        }
    }
    text
}

/// Keys of `auth` that may stand beside `url`: the name beside `url`, and the name in `auth`.
const LOGIN: [(&str, &str); 7] = [
    ("username", "username"),
    ("auth_type", "type"),
    ("password_file", "password_file"),
    ("password_env", "password_env"),
    ("token_file", "token_file"),
    ("token_env", "token_env"),
    ("credential", "credential"),
];
/// What the main file says for all registries.
pub(super) struct ForAll<'a> {
    /// The names that a registry may deliver to.
    pub(super) sinks: &'a [&'a str],
    /// The schedule keys of the main file; `None` if one of them is wrong.
    pub(super) schedule: Option<&'a schedule::ScheduleKeys>,
}

/// Reads one registry. Its name was read before.
pub(super) fn read(
    section: &mut Section<'_>,
    name: Checked<RegistryName>,
    main: &ForAll<'_>,
) -> Checked<RegistryConfig> {
    section.rename(&other_names::THEIR_NAMES);
    let literals = auth::refuse_literals(section);
    let url = section.required(&URL, address::url);
    let configured = section.optional(&KIND, kind_of).map(Option::flatten);
    let kind = configured.as_ref().ok().copied().flatten().or_else(|| RegistryKind::of_url(url.as_ref().ok()?));
    let (readable, place) = (Readable::read(section, &LOGIN), section.position_of("auth"));
    let auth = auth(section, kind, literals.is_err());
    let (auth, allow_readable) = readable.settle(section, auth);
    if let (Some(place), Ok(url), Ok(Auth::Docker(_))) = (place, &url, &auth) {
        section.mention("auth", url.as_str(), &place);
    }
    let discovery = section.optional(&DISCOVERY, |field| {
        discovery::read(field, &discovery::ListedRegistry { url: url.as_ref().ok(), auth: auth.as_ref().ok() })
    });
    let walk = walk::read(section, kind, url.as_ref().ok());
    let schedule = schedule::of(section, name.as_ref().ok(), main.schedule);
    let client = client(section, FirstKeys { name: name.as_ref().ok(), url, configured, kind, auth, allow_readable });
    let judge = walk::judge(section);
    let all = main.sinks.iter().map(|&name| name.to_owned()).collect();
    let sinks = section.or_derived(&SINKS, all, |field| chosen(field, main.sinks));
    let keep_undelivered = keep_undelivered(section);
    let (client, walk, discovery) = (client?, walk?, discovery?);
    let lists_nothing = kind.filter(|kind| !kind.habits().has_catalog);
    if let (None, Some(kind)) = (&discovery, lists_nothing) {
        let (message, help) = hints::no_catalog(kind);
        return Err(section.problem(message, help));
    }
    section.suggest(&other_names::EXPECTED_NAMES);
    other_names::refuse_elsewhere(section)?;
    literals?;
    let discovery = discovery.unwrap_or_default();
    let (name, schedule, judge, sinks, keep_undelivered) = (name?, schedule?, judge?, sinks?, keep_undelivered?);
    Ok(RegistryConfig { name, client, discovery, walk, schedule, judge, sinks, keep_undelivered })
}

/// The keys on which others depend; they are read first.
struct FirstKeys<'n> {
    name: Option<&'n RegistryName>,
    url: Checked<Url>,
    /// As the key `kind` says.
    configured: Checked<Option<RegistryKind>>,
    /// The same, else as the host of `url` tells it.
    kind: Option<RegistryKind>,
    auth: Checked<Auth>,
    allow_readable: Checked<bool>,
}

fn client(section: &mut Section<'_>, known: FirstKeys<'_>) -> Checked<RegistrySettings> {
    let FirstKeys { name, url, configured, kind, auth, allow_readable } = known;
    let scope = section.or_empty(&SCOPE, |field| hints::scopes(kind, field));
    let service = section.optional(&SERVICE, |field| {
        let service = text(field)?;
        hints::service(kind, url.as_ref().ok(), field, &service);
        Ok(service)
    });
    let page_size = kind.and_then(|kind| NonZeroU32::new(kind.habits().page_size)).unwrap_or(DEFAULT_PAGE_SIZE);
    let page_size = section.or_derived(&PAGE_SIZE, page_size, |field| field.positive(LARGEST_PAGE_SIZE));
    let pagination = section.one_of(&PAGINATION);
    let concurrency = section.or(&CONCURRENCY, |field| field.positive(MOST_CONCURRENT_REQUESTS));
    let requests_per_second = section.optional(&REQUESTS_PER_SECOND, |field| field.positive(MOST_REQUESTS_PER_SECOND));
    let split = section.one_of(&SPLIT);
    let realm_hosts = section.or_empty(&REALM_HOSTS, |field| field.each(address::host));
    let allow_hosts = section.or_empty(&ALLOW_HOSTS, |field| field.each(address::allowed_host));
    let tls = tls(section, url.as_ref().ok());
    let timeout = section.or(&TIMEOUT, Field::duration);
    let (ca_file, insecure_tls, client_certificate) = tls?;
    let allow_readable = allow_readable?;
    let client_certificate = client_certificate.map(|own| ClientCertificate { allow_readable, ..own });
    Ok(RegistrySettings {
        name: name.map_or("", RegistryName::as_str).into(),
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

/// The kind. `None`: the answers of the registry tell it.
fn kind_of(field: &Field<'_>) -> Checked<Option<RegistryKind>> {
    let text = field.text()?;
    if let Some((words, kind)) = other_names::THEIR_KINDS.iter().find(|(words, _)| text.eq_ignore_ascii_case(words)) {
        let read = kind.map_or("auto", RegistryKind::as_str);
        field.note(format!("`{words}` is read as `{read}`"), None);
        return Ok(*kind);
    }
    let words: Vec<_> =
        std::iter::once(("auto", None)).chain(RegistryKind::ALL.map(|(word, kind)| (word, Some(kind)))).collect();
    field.one_of(&words)
}

/// `auth`, or its keys beside `url`. `refused`: a secret beside `url` was refused, so a missing one is not reported.
fn auth(section: &mut Section<'_>, kind: Option<RegistryKind>, refused: bool) -> Checked<Auth> {
    let beside = section.split_off(&LOGIN);
    match (section.take(&AUTH), beside) {
        (None, None) => Ok(Auth::Token(None)),
        (None, Some(_)) if refused => Ok(Auth::None),
        (Some(_), Some(beside)) => {
            Err(beside.problem("a login stands here, and another in `auth`", "move what stands here into `auth`"))
        }
        (Some(field), None) => {
            let auth = auth::read(&field);
            if let YamlValue::Map(_) = &field.node.value {
                field.section()?.optional(&auth::USERNAME, |field| hints::username(kind, field))?;
            }
            hints::login(kind, &field, auth.as_ref().ok());
            auth
        }
        (None, Some(mut beside)) => {
            beside.note("the login beside `url` is read as `auth`", None);
            let auth = auth::read_section(&mut beside);
            beside.optional(&auth::USERNAME, |field| hints::username(kind, field))?;
            auth
        }
    }
}

/// The settings of TLS: `ca_file`, `insecure_tls`, and the client's own certificate with its key.
type Tls = (Option<PathBuf>, bool, Option<ClientCertificate>);

/// Reads the settings of TLS. A setting without effect is a problem, because the user relies on it.
fn tls(section: &mut Section<'_>, url: Option<&Url>) -> Checked<Tls> {
    let clear_text = url.is_some_and(|url| url.scheme() == "http");
    let effective = |field: &Field<'_>| {
        let help = "write the url with https, or leave this out";
        if clear_text { Err(field.problem("has no effect on an http url", Some(help.to_owned()))) } else { Ok(()) }
    };
    let insecure_tls = section.or(&INSECURE_TLS, |field| {
        let insecure = field.bool()?;
        if insecure { effective(field).map(|()| true) } else { Ok(false) }
    });
    let ca_file = section.optional(&CA_FILE, |field| {
        let path = field.path()?;
        effective(field)?;
        if let Ok(true) = insecure_tls {
            let help = "leave `insecure_tls` out: with the right `ca_file` it is not needed";
            return Err(field.problem("has no effect beside `insecure_tls: true`", Some(help.to_owned())));
        }
        Ok(path)
    });
    let mut own =
        |key: &'static OptionalKey| section.optional(key, |field| effective(field).and_then(|()| field.path()));
    let (certificate, key) = (own(&CLIENT_CERT_FILE), own(&CLIENT_KEY_FILE));
    let client_certificate = match (certificate?, key?) {
        (Some(certificate), Some(key)) => Some(ClientCertificate { certificate, key, allow_readable: false }),
        (None, None) => None,
        (certificate, _) => {
            let names = [CLIENT_CERT_FILE.name(), CLIENT_KEY_FILE.name()];
            let (given, missing) = if certificate.is_some() { (names[0], names[1]) } else { (names[1], names[0]) };
            return Err(section.problem(format!("`{given}` needs `{missing}`"), format!("add `{missing}: PATH`")));
        }
    };
    Ok((ca_file?, insecure_tls?, client_certificate))
}

/// Reads how many snapshots wait for a sink.
fn keep_undelivered(section: &mut Section<'_>) -> Checked<NonZeroUsize> {
    section.or(&KEEP_UNDELIVERED, |field| field.positive(MOST_UNDELIVERED))
}

/// The sinks that the key `sinks` of a registry names.
fn chosen(field: &Field<'_>, known: &[&str]) -> Checked<Vec<String>> {
    let mut names = Vec::<String>::new();
    let read = field.each(|field| {
        let name = field.text()?;
        // If there is no sink at all, that was reported where sinks are read.
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
