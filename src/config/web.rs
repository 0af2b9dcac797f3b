//! The daemon's listener: `listen` and `web`. The keys of TLS and Basic auth are those of the web configuration of
//! Prometheus' exporters, so a file written for an exporter can be copied; `allow_runs` and `allowed_hosts` are additional.
//! <https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md>

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::web::{ClientCertificates, ListenAddress, PasswordHash, TlsSettings, TlsVersion, WebSettings};
use yaml_sections::Phrase::{Computed, Plain};
use yaml_sections::{Checked, DefaultKey, DerivedKey, Field, OptionalKey, RequiredKey, Section, is_plain};

use super::phrases::{BOOL, NONE, PATH};
use super::readable::ALLOW_READABLE;

/// A cheaper hash is guessed quickly by an attacker who has stolen the file.
const LEAST_COST: u32 = 10;
const MAKE_A_HASH: &str = "`htpasswd -nBC 10 NAME` makes one, after the colon";

static LISTEN: DerivedKey = DerivedKey::new(
    "listen",
    Plain("`HOST:PORT`, or `:PORT` for every interface"),
    Computed(|| format!("`{}`", ListenAddress::default())),
    "Address at which the daemon serves metrics, health and the status page.",
);
static WEB: OptionalKey = OptionalKey::new(
    "web",
    Plain("a mapping, see below"),
    Plain("clear text, without login"),
    "Who may read what the daemon serves.",
);
static TLS_SERVER_CONFIG: OptionalKey =
    OptionalKey::new("tls_server_config", Plain("a mapping, see below"), Plain("clear text"), "TLS of the listener.");
static BASIC_AUTH_USERS: OptionalKey = OptionalKey::new(
    "basic_auth_users",
    Plain("a mapping of user names to bcrypt hashes"),
    Plain("no login"),
    "Users who may log in. Basic auth applies to every endpoint, including health.",
);
static ALLOW_RUNS: DefaultKey<bool> = DefaultKey::new(
    "allow_runs",
    BOOL,
    || WebSettings::default().allow_runs,
    "Whether a logged-in client may start runs with `POST /api/v1/registries/NAME/run`.",
);
static ALLOWED_HOSTS: OptionalKey = OptionalKey::new(
    "allowed_hosts",
    Plain("a host name, or a list of host names"),
    Plain("on loopback only `localhost` and loopback addresses, else any name"),
    "Names that the `Host` header of a request may have.",
);
static CERT_FILE: RequiredKey = RequiredKey::new(
    "cert_file",
    PATH,
    "/etc/stocktake/tls.pem",
    "Certificate chain in PEM. Read again for each connection.",
);
static KEY_FILE: RequiredKey = RequiredKey::new(
    "key_file",
    PATH,
    "/etc/stocktake/tls-key.pem",
    "Private key in PEM, protected from other users. Read again for each connection.",
);
static CLIENT_AUTH_TYPE: DefaultKey<ClientAuth> = DefaultKey::one_of(
    "client_auth_type",
    &CLIENT_AUTH_TYPES,
    || ClientAuth::None,
    "Whether clients show certificates. The last two words are refused, because nothing is verified.",
);
static CLIENT_CA_FILE: OptionalKey =
    OptionalKey::new("client_ca_file", PATH, NONE, "Certificates, in PEM, that sign the certificates of clients.");
static MIN_VERSION: DefaultKey<TlsVersion> =
    DefaultKey::one_of("min_version", &VERSIONS, || TlsVersion::Tls12, "Oldest TLS version that is accepted.");
static MAX_VERSION: DefaultKey<TlsVersion> =
    DefaultKey::one_of("max_version", &VERSIONS, || TlsVersion::Tls13, "Newest TLS version that is accepted.");

/// Reads both keys of the main file.
pub(super) fn read(main: &mut Section<'_>) -> Checked<WebSettings> {
    let place = main.position_of("listen");
    let listen = main.or_derived(&LISTEN, ListenAddress::default(), |field| {
        let field = field.with_example("127.0.0.1:9914");
        let text = field.text()?;
        text.parse().map_err(|error: crate::web::ListenAddressError| {
            let port = ListenAddress::default().to_string().rsplit(':').next().unwrap_or_default().to_owned();
            let help = match text {
                "*" | "all" | "any" => format!("did you mean `:{port}`?"),
                _ if text.starts_with("*:") => format!("did you mean `{}`?", &text[1..]),
                _ if is_plain(text) => format!("did you mean `{text}:{port}`?"),
                _ => format!("for example `{}`", ListenAddress::default()),
            };
            field.problem(error.to_string(), Some(help))
        })
    });
    let web = main.optional(&WEB, web).map(Option::unwrap_or_default);
    let settings = WebSettings { listen: listen?, ..web? };
    if let Some(place) = place.filter(|_| !settings.listen.is_loopback())
        && let Some((message, help)) = openness(&settings)
    {
        main.note_at(&place, format!("`listen`: {message}"), Some(help.to_owned()));
    }
    Ok(settings)
}

/// Why a listener that other machines reach is open, and what to do about it.
fn openness(settings: &WebSettings) -> Option<(&'static str, &'static str)> {
    match (&settings.tls, settings.requires_authentication()) {
        (Some(_), true) => None,
        (_, false) => Some((
            "everyone who reaches this address can read the names and the state of all registries",
            "set `web: {basic_auth_users: …}`, or keep to `127.0.0.1`",
        )),
        (None, true) => Some((
            "passwords are sent to this address in clear text",
            "set `web: {tls_server_config: …}`, or keep to `127.0.0.1`",
        )),
    }
}

fn web(field: &Field<'_>) -> Checked<WebSettings> {
    let mut section = field.section()?;
    let settings = web_section(&mut section);
    section.finish();
    settings
}

/// Reads the keys of `web`.
pub(super) fn web_section(section: &mut Section<'_>) -> Checked<WebSettings> {
    let unsupported = [
        section.refuse("http_server_config", "`http_server_config` is not supported", "leave it out"),
        section.refuse("rate_limit", "`rate_limit`: connections and logins are already limited", "leave it out"),
    ];
    let tls = section.optional(&TLS_SERVER_CONFIG, tls);
    let users = section.or_empty(&BASIC_AUTH_USERS, users);
    let place = section.position_of("allow_runs");
    let allow_runs = section.or(&ALLOW_RUNS, Field::bool);
    let allowed_hosts = section.or_empty(&ALLOWED_HOSTS, allowed_hosts);
    unsupported.into_iter().collect::<Checked<Vec<()>>>()?;
    let (tls, users, allow_runs, allowed_hosts) = (tls?, users?, allow_runs?, allowed_hosts?);
    let settings = WebSettings { listen: ListenAddress::default(), tls, users, allow_runs, allowed_hosts };
    if let Some(place) = place.filter(|_| settings.allow_runs && !settings.requires_authentication()) {
        let help = "add `basic_auth_users`, or `tls_server_config` with `client_auth_type: RequireAndVerifyClientCert`";
        let message = "`allow_runs`: runs cannot be started without a login";
        return Err(section.problem_at(&place, message, help));
    }
    Ok(settings)
}

fn allowed_hosts(field: &Field<'_>) -> Checked<BTreeSet<String>> {
    let names = field.each(|field| {
        let name = field.text()?;
        let is_part =
            |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        if name.strip_suffix('.').unwrap_or(name).split('.').all(is_part) {
            return Ok(crate::web::plain_host(name));
        }
        let help = "for example `inventory.my-org.example`; any port will do".to_owned();
        Err(field.problem("expected the name of a host, without scheme, port and path", Some(help)))
    })?;
    Ok(names.into_iter().collect())
}

fn users(field: &Field<'_>) -> Checked<BTreeMap<String, PasswordHash>> {
    let read: Vec<_> = field
        .named()?
        .into_iter()
        .map(|(place, name, field)| {
            if name.is_empty() || name.contains(|c: char| c == ':' || c.is_control()) {
                let message = "expected the name of a user, without `:`";
                return Err(field.diagnostics.add(place.problem(message, None)));
            }
            Ok((name.to_owned(), hash(&field)?))
        })
        .collect();
    read.into_iter().collect()
}

fn hash(field: &Field<'_>) -> Checked<PasswordHash> {
    let text = field.text()?;
    let hash: PasswordHash = text.parse().map_err(|error: crate::web::PasswordHashError| {
        field.problem(error.to_string(), Some(MAKE_A_HASH.to_owned()))
    })?;
    if hash.cost() < LEAST_COST {
        let message =
            format!("a password with a hash of cost {} is guessed quickly if the file is stolen", hash.cost());
        field.note(message, Some(MAKE_A_HASH.to_owned()));
    }
    Ok(hash)
}

/// Whether clients show certificates, as the exporter toolkit names it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ClientAuth {
    None,
    IfGiven,
    Required,
    Unverified,
}

const CLIENT_AUTH_TYPES: [(&str, ClientAuth); 5] = [
    ("NoClientCert", ClientAuth::None),
    ("VerifyClientCertIfGiven", ClientAuth::IfGiven),
    ("RequireAndVerifyClientCert", ClientAuth::Required),
    ("RequestClientCert", ClientAuth::Unverified),
    ("RequireAnyClientCert", ClientAuth::Unverified),
];
const VERSIONS: [(&str, TlsVersion); 2] = [("TLS12", TlsVersion::Tls12), ("TLS13", TlsVersion::Tls13)];

fn tls(field: &Field<'_>) -> Checked<TlsSettings> {
    let mut section = field.section()?;
    let settings = tls_section(&mut section);
    section.finish();
    settings
}

/// Reads the keys of `tls_server_config`.
pub(super) fn tls_section(section: &mut Section<'_>) -> Checked<TlsSettings> {
    let refused = refuse_unsupported(section);
    let cert_file = section.required(&CERT_FILE, Field::path);
    let key_file = section.required(&KEY_FILE, Field::path);
    let allow_readable = section.or(&ALLOW_READABLE, Field::bool);
    let clients = clients(section);
    let min_version = section.or(&MIN_VERSION, version);
    let place = section.position_of("max_version");
    let max_version = section.or(&MAX_VERSION, version);
    refused?;
    let (min_version, max_version) = (min_version?, max_version?);
    if let Some(place) = place.filter(|_| max_version < min_version) {
        return Err(section.problem_at(&place, "`max_version`: older than `min_version`", None));
    }
    let (cert_file, key_file, allow_readable) = (cert_file?, key_file?, allow_readable?);
    Ok(TlsSettings { cert_file, key_file, allow_readable, clients: clients?, min_version, max_version })
}

fn refuse_unsupported(section: &mut Section<'_>) -> Checked<()> {
    let no_text = "certificates and keys are read from files";
    let suites = "all suites that are offered are safe; leave it out";
    let refused = [
        section.refuse("cert", &format!("`cert`: {no_text}"), "write `cert_file: PATH`"),
        section.refuse("key", &format!("`key`: {no_text}"), "write `key_file: PATH`"),
        section.refuse("client_ca", &format!("`client_ca`: {no_text}"), "write `client_ca_file: PATH`"),
        section.refuse(
            "client_allowed_sans",
            "`client_allowed_sans` is not supported",
            "give clients a `client_ca_file` of their own",
        ),
        section.refuse("cipher_suites", "`cipher_suites` is not supported", suites),
        section.refuse("prefer_server_cipher_suites", "`prefer_server_cipher_suites` is not supported", suites),
        section.refuse("curve_preferences", "`curve_preferences` is not supported", suites),
    ];
    refused.into_iter().collect()
}

fn clients(section: &mut Section<'_>) -> Checked<ClientCertificates> {
    let kind = section.or(&CLIENT_AUTH_TYPE, |field| {
        let kind = field.one_of(&CLIENT_AUTH_TYPES)?;
        if kind == ClientAuth::Unverified {
            let help = "`RequireAndVerifyClientCert` or `VerifyClientCertIfGiven`, with `client_ca_file`".to_owned();
            return Err(field.problem("a certificate that is not verified proves nothing", Some(help)));
        }
        Ok(kind)
    });
    let place = section.position_of("client_ca_file");
    let ca_file: Checked<Option<PathBuf>> = section.optional(&CLIENT_CA_FILE, Field::path);
    match (kind?, ca_file?) {
        (ClientAuth::IfGiven, Some(ca_file)) => Ok(ClientCertificates::VerifiedIfGiven { ca_file }),
        (ClientAuth::Required, Some(ca_file)) => Ok(ClientCertificates::Required { ca_file }),
        (ClientAuth::IfGiven | ClientAuth::Required, None) => {
            Err(section.problem("`client_auth_type` needs `client_ca_file`", "add `client_ca_file: PATH`"))
        }
        (ClientAuth::None | ClientAuth::Unverified, None) => Ok(ClientCertificates::NotAsked),
        (ClientAuth::None | ClientAuth::Unverified, Some(_)) => {
            let help = "add `client_auth_type: RequireAndVerifyClientCert`, or leave this out";
            let message = "`client_ca_file`: no client is asked for a certificate";
            Err(place.map_or_else(|| section.problem(message, help), |place| section.problem_at(&place, message, help)))
        }
    }
}

fn version(field: &Field<'_>) -> Checked<TlsVersion> {
    if matches!(field.text()?, "TLS10" | "TLS11") {
        return Err(field.problem("this version is broken and not supported", Some("`TLS12` or `TLS13`".to_owned())));
    }
    field.one_of(&VERSIONS)
}
