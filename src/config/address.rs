//! URLs, hosts and ranges of addresses.

use url::Url;
use yaml_sections::{Checked, Field, is_plain};

use crate::registry::AllowedHost;

/// Registries that one company runs at the root of a host. Others may be anywhere, as Artifactory is.
const HOSTS_WITHOUT_PATHS: [&str; 7] =
    ["quay.io", "ghcr.io", "docker.io", "index.docker.io", "registry-1.docker.io", "gcr.io", "registry.gitlab.com"];

/// A URL to which credentials may be sent. Messages do not repeat it, because it may contain a password.
pub(super) fn url(field: &Field<'_>) -> Checked<Url> {
    let text = field.text()?;
    let problem = |message: &str, help: &str| Err(field.problem(message, Some(help.to_owned())));
    let example = "for example `https://quay.io`, or with a port `https://registry.example.org:5000`";
    let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    let meant = meant(text);
    let help = meant.as_deref().unwrap_or(example);
    let scheme = match scheme.as_deref() {
        None => return problem("expected a url that begins with https:// or http://", help),
        Some(scheme @ ("http" | "https")) => scheme,
        Some(_) => return problem("expected an https or http url, found another scheme", help),
    };
    let authority = text[scheme.len() + 3..].split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return problem(
            "expected a url without credentials",
            "write the user name in `auth: {username: …}` and the password in a file that `password_file` names",
        );
    }
    let port = authority.rsplit(']').next().and_then(|rest| rest.split_once(':')).map(|(_, port)| port);
    if port.is_some_and(|port| !port.is_empty() && port.parse::<u16>().is_err()) {
        return problem("expected a port from 1 to 65535 after the host", example);
    }
    let plain_host = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    let url = Url::parse(text).ok().filter(|_| authority.chars().all(plain_host));
    let Some(url) = url else {
        let help = meant.as_deref().filter(|_| authority.trim().is_empty()).unwrap_or(example);
        return problem("expected a url with a host, found something else", help);
    };
    // The parser may find user information that the check above did not find.
    if !url.username().is_empty() || url.password().is_some() {
        return problem("expected a url without credentials", "see `auth:`");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return problem("expected a url without `?` and `#`", "leave that part out");
    }
    if url.host_str() == Some("hub.docker.com") {
        return problem("this is the website of Docker Hub", "its registry is `https://registry-1.docker.io`");
    }
    let path = url.path().trim_end_matches('/');
    if path.ends_with("/v2") || path.ends_with("/v2/_catalog") {
        return problem("expected a url without /v2, which every request adds", "leave that part out");
    }
    if url.path().len() > 1 && HOSTS_WITHOUT_PATHS.contains(&url.host_str().unwrap_or_default()) {
        let help = "leave the path out; `include` says which repositories are listed";
        return problem("this registry has no path in its url", help);
    }
    Ok(url)
}

/// The question whether `quay.io` or `docker://quay.io` is `https://quay.io`. Only a name of a host with a dot is repeated.
fn meant(text: &str) -> Option<String> {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest).trim();
    // `http:/host`, `https//host` and `https:host`.
    let rest = rest.strip_prefix("https").or_else(|| rest.strip_prefix("http")).map_or(rest, |after| {
        let host = after.trim_start_matches([':', '/']);
        if host.len() < after.len() { host } else { rest }
    });
    let rest = rest.trim_start_matches('/');
    let host = rest.split(['/', '?', '#']).next()?;
    let (name, port) = host.split_once(':').unwrap_or((host, "0"));
    let is_host = is_plain(name) && (name.contains('.') || name == "localhost") && port.parse::<u16>().is_ok();
    let is_local = name == "localhost" || name.starts_with("127.");
    let or_http = if is_local { format!(", or `http://{host}`") } else { String::new() };
    is_host.then(|| format!("did you mean `https://{host}`{or_http}?"))
}

/// `host` or `host:port`, in the form of a parsed URL.
pub(super) fn host(field: &Field<'_>) -> Checked<String> {
    let text = field.text()?;
    let plain = !text.contains(|c: char| "/\\@?#*%".contains(c) || c.is_whitespace() || c.is_control());
    let url = Url::parse(&format!("https://{text}/")).ok().filter(|_| plain && !text.ends_with(':'));
    let Some((host, port)) = url.as_ref().and_then(|url| url.host_str().zip(url.port_or_known_default())) else {
        let help = "without scheme and path, for example `auth.example.org` or `auth.example.org:5001`";
        return Err(field.problem("expected a host, perhaps with a port", Some(help.to_owned())));
    };
    // The colons of an IPv6 address are before the bracket.
    let names_port = text.rsplit(']').next().is_some_and(|rest| rest.contains(':'));
    Ok(if names_port { format!("{host}:{port}") } else { host.to_owned() })
}

/// A host, or a range of addresses.
pub(super) fn allowed_host(field: &Field<'_>) -> Checked<AllowedHost> {
    let text = field.text()?;
    if let Ok(network) = text.trim_start_matches('[').trim_end_matches(']').parse() {
        return Ok(AllowedHost::Network(network));
    }
    if text.contains('/') {
        let help = "a host, a host with its port, or a range such as `10.2.0.0/16`".to_owned();
        return Err(field.problem("expected a range of addresses", Some(help)));
    }
    host(field).map(AllowedHost::Host)
}
