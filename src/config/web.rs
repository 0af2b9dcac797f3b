//! The daemon's listener: `listen` and `web`. What stands under `web` has the names that Prometheus' exporters give it in
//! their web configuration, so that a file of theirs can be pasted.
//! <https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md>
//!
//! | key | |
//! |---|---|
//! | `tls_server_config` | `cert_file`, `key_file`, `client_auth_type`, `client_ca_file`, `min_version`, `max_version` |
//! | `basic_auth_users` | names with bcrypt hashes |
//! | `allow_runs` | ours: whether a run can be asked for |
//! | `allowed_hosts` | ours: names that a request's `Host` may have |

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::web::{ClientCertificates, ListenAddress, PasswordHash, TlsSettings, TlsVersion, WebSettings};
use crate::yaml::{Checked, Field, Section};

/// Cheaper hashes give way to whoever stole them.
const LEAST_COST: u32 = 10;
const MAKE_A_HASH: &str = "`htpasswd -nBC 10 NAME` makes one, after the colon";

/// Reads both keys of the main file.
pub(super) fn read(main: &mut Section<'_>) -> Checked<WebSettings> {
    let place = main.place_of("listen");
    let listen = main.or("listen", ListenAddress::default(), |field| {
        field.text()?.parse().map_err(|error: crate::web::ListenAddressError| {
            field.problem(error.to_string(), Some("for example `127.0.0.1:9914`".to_owned()))
        })
    });
    let web = main.or("web", WebSettings::default(), web);
    let settings = WebSettings { listen: listen?, ..web? };
    if let Some(place) = place.filter(|_| !settings.listen.is_loopback())
        && let Some((message, help)) = openness(&settings)
    {
        main.note_at(&place, format!("`listen`: {message}"), Some(help.to_owned()));
    }
    Ok(settings)
}

/// What strangers can do with a listener that others than this machine reach.
fn openness(settings: &WebSettings) -> Option<(&'static str, &'static str)> {
    match (&settings.tls, settings.requires_authentication()) {
        (Some(_), true) => None,
        (_, false) => Some((
            "whoever reaches this address sees the names and the state of all registries",
            "set `web: {basic_auth_users: …}`, or keep to `127.0.0.1`",
        )),
        (None, true) => Some((
            "passwords come to this address in clear text",
            "set `web: {tls_server_config: …}`, or keep to `127.0.0.1`",
        )),
    }
}

fn web(field: &Field<'_>) -> Checked<WebSettings> {
    let mut section = field.section()?;
    let unsupported = [
        section.refuse("http_server_config", "`http_server_config`: nothing of it can be set", "leave it out"),
        section.refuse("rate_limit", "`rate_limit`: connections and logins are bounded already", "leave it out"),
    ];
    let tls = section.optional("tls_server_config", tls);
    let users = section.or("basic_auth_users", BTreeMap::new(), users);
    let place = section.place_of("allow_runs");
    let allow_runs = section.or("allow_runs", false, Field::bool);
    let allowed_hosts = section.or("allowed_hosts", BTreeSet::new(), allowed_hosts);
    section.finish();
    unsupported.into_iter().collect::<Checked<Vec<()>>>()?;
    let (tls, users, allow_runs, allowed_hosts) = (tls?, users?, allow_runs?, allowed_hosts?);
    let settings = WebSettings { listen: ListenAddress::default(), tls, users, allow_runs, allowed_hosts };
    if let Some(place) = place.filter(|_| settings.allow_runs && !settings.requires_authentication()) {
        let help = "add `basic_auth_users`, or `tls_server_config` with `client_auth_type: RequireAndVerifyClientCert`";
        let message = "`allow_runs`: not for everybody who reaches the listener";
        return Err(field.report.add(place.problem(message, Some(help.to_owned()))));
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
                return Err(field.report.add(place.problem(message, None)));
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
        let message = format!("a hash of cost {} is quickly guessed by whoever steals it", hash.cost());
        field.note(message, Some(MAKE_A_HASH.to_owned()));
    }
    Ok(hash)
}

/// What the toolkit calls its ways to ask clients for certificates.
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
    let refused = refuse_what_we_do_otherwise(&mut section);
    let cert_file = section.required("cert_file", "/etc/stocktake/tls.pem", Field::path);
    let key_file = section.required("key_file", "/etc/stocktake/tls-key.pem", Field::path);
    let clients = clients(&mut section);
    let min_version = section.or("min_version", TlsVersion::Tls12, version);
    let place = section.place_of("max_version");
    let max_version = section.or("max_version", TlsVersion::Tls13, version);
    section.finish();
    refused?;
    let (min_version, max_version) = (min_version?, max_version?);
    if let Some(place) = place.filter(|_| max_version < min_version) {
        return Err(field.report.add(place.problem("`max_version`: older than `min_version`", None)));
    }
    Ok(TlsSettings { cert_file: cert_file?, key_file: key_file?, clients: clients?, min_version, max_version })
}

fn refuse_what_we_do_otherwise(section: &mut Section<'_>) -> Checked<()> {
    let no_text = "certificates and keys are read from files";
    let suites = "all that are spoken here are good ones; leave it out";
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
    let kind = section.or("client_auth_type", ClientAuth::None, |field| {
        let kind = field.one_of(&CLIENT_AUTH_TYPES)?;
        if kind == ClientAuth::Unverified {
            let help = "`RequireAndVerifyClientCert` or `VerifyClientCertIfGiven`, with `client_ca_file`".to_owned();
            return Err(field.problem("a certificate that nobody verifies shows nothing", Some(help)));
        }
        Ok(kind)
    });
    let place = section.place_of("client_ca_file");
    let ca_file: Checked<Option<PathBuf>> = section.optional("client_ca_file", Field::path);
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
        return Err(field.problem("broken, and not spoken here", Some("`TLS12` or `TLS13`".to_owned())));
    }
    field.one_of(&VERSIONS)
}
