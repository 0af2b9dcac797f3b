//! One entry of `registries:`.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use globset::Glob;
use stocktake_sink::RegistryName;
use url::Url;

use super::{RegistryConfig, auth};
use crate::registry::{Auth, ClientCertificate, Pagination, Settings, Split};
use crate::snapshot::JudgeSettings;
use crate::walk::{NameFilter, WalkSettings};
use crate::yaml::{Checked, Field, Section, is_plain, shown, suggest};

const PAGE_SIZE: NonZeroU32 = NonZeroU32::new(1000).expect("is not zero");
const CONCURRENCY: NonZeroUsize = NonZeroUsize::new(16).expect("is not zero");
const MAX_REPOSITORIES: u64 = 0;
const TIMEOUT: Duration = Duration::from_secs(30);

/// Reads one registry, whose name was read already; `sinks` are the names that it may deliver to.
pub(super) fn read(section: &mut Section<'_>, name: Checked<RegistryName>, sinks: &[&str]) -> Checked<RegistryConfig> {
    let literals = auth::refuse_literals(section);
    let client = client(section, name);
    let walk = walk(section);
    let judge = judge(section);
    let all = sinks.iter().map(|&name| name.to_owned()).collect();
    let sinks = section.or("sinks", all, |field| chosen(field, sinks));
    literals?;
    Ok(RegistryConfig { client: client?, walk: walk?, judge: judge?, sinks: sinks? })
}

fn client(section: &mut Section<'_>, name: Checked<RegistryName>) -> Checked<Settings> {
    let url = section.required("url", "https://quay.io", url);
    let auth = section.or("auth", Auth::Token(None), auth::read);
    let scope = section.or("scope", Vec::new(), |field| field.each(text));
    let service = section.optional("service", text);
    let page_size = section.or("page_size", PAGE_SIZE, |field| field.positive(10_000));
    let kinds = [("strict", Pagination::Strict), ("repair", Pagination::Repair)];
    let pagination = section.or("pagination", Pagination::default(), |field| field.one_of(&kinds));
    let concurrency = section.or("concurrency", CONCURRENCY, |field| field.positive(1_000));
    let realm_hosts = section.or("realm_hosts", Vec::new(), |field| field.each(host));
    let tls = tls(section, url.as_ref().ok());
    let timeout = section.or("timeout", TIMEOUT, Field::duration);
    let (ca_file, insecure_tls, client_certificate) = tls?;
    Ok(Settings {
        name: name?,
        url: url?,
        auth: auth?,
        scope: scope?,
        service: service?,
        page_size: page_size?,
        concurrency: concurrency?,
        requests_per_second: None,
        split: Split::default(),
        pagination: pagination?,
        realm_hosts: realm_hosts?,
        ca_file,
        insecure_tls,
        client_certificate,
        timeout: timeout?,
    })
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

fn walk(section: &mut Section<'_>) -> Checked<WalkSettings> {
    let max_repositories = section.or("max_repositories", MAX_REPOSITORIES, |field| field.whole(0..=u64::MAX));
    let mut patterns = |key| section.or(key, Vec::new(), |field| field.each(pattern));
    let (include, exclude) = (patterns("include"), patterns("exclude"));
    let filter = NameFilter::new(&include?, &exclude?).map_err(|_| {
        section.problem("`include` and `exclude` are too large together", "name fewer or simpler patterns")
    });
    Ok(WalkSettings { max_repositories: max_repositories?, filter: filter?, ..WalkSettings::default() })
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
            let near = suggest(name, &known).map(|near| format!("did you mean `{near}`?"));
            let all = || format!("known: {}", known.join(", "));
            return Err(field.problem(shown("there is no sink", name), Some(near.unwrap_or_else(all))));
        }
        Ok((name, field.place.clone()))
    })?;
    if read.is_empty() {
        let help = "leave it out for all sinks".to_owned();
        return Err(field.problem("expected at least one sink, found an empty list", Some(help)));
    }
    for (name, place) in read {
        if names.iter().any(|known| known == name) {
            return Err(field.report.add(place.problem(shown("`sinks`: twice the sink", name), None)));
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

/// An address that credentials may be sent to. No message repeats it: it may hold a password.
fn url(field: &Field<'_>) -> Checked<Url> {
    let text = field.text()?;
    let problem = |message: &str, help: &str| Err(field.problem(message, Some(help.to_owned())));
    let example = "for example `https://quay.io`, or with a port `https://registry.example.org:5000`";
    let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    let scheme = match scheme.as_deref() {
        None => return problem("expected a url that begins with https:// or http://", example),
        Some(scheme @ ("http" | "https")) => scheme,
        Some(_) => return problem("expected an https or http url, found another scheme", example),
    };
    let authority = text[scheme.len() + 3..].split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return problem(
            "expected a url without credentials",
            "write the user name in `auth: {username: …}` and the password in a file that `password_file` names",
        );
    }
    let Ok(url) = Url::parse(text) else {
        return problem("expected a url with a host, found something else", example);
    };
    // What the parser takes for user information counts, also where the test above saw none.
    if !url.username().is_empty() || url.password().is_some() {
        return problem("expected a url without credentials", "see `auth:`");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return problem("expected a url without `?` and `#`", "leave that part out");
    }
    if url.path().trim_end_matches('/').ends_with("/v2") {
        return problem("expected a url without /v2, which every request adds", "leave that part out");
    }
    Ok(url)
}

/// `host` or `host:port`, in the form that a parsed url has.
fn host(field: &Field<'_>) -> Checked<String> {
    let text = field.text()?;
    let plain = !text.contains(|c: char| "/\\@?#*%".contains(c) || c.is_whitespace() || c.is_control());
    let url = Url::parse(&format!("https://{text}/")).ok().filter(|_| plain && !text.ends_with(':'));
    let Some((host, port)) = url.as_ref().and_then(|url| url.host_str().zip(url.port_or_known_default())) else {
        let help = "without scheme and path, for example `auth.example.org` or `auth.example.org:5001`";
        return Err(field.problem("expected a host, perhaps with a port", Some(help.to_owned())));
    };
    // The colons of an IPv6 address stand before the bracket.
    let names_port = text.rsplit(']').next().is_some_and(|rest| rest.contains(':'));
    Ok(if names_port { format!("{host}:{port}") } else { host.to_owned() })
}
