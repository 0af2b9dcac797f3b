//! URLs, hosts and ranges of addresses.

use url::Url;
use yaml_sections::{Checked, Field};

use crate::registry::AllowedHost;

/// A URL to which credentials may be sent. Messages do not repeat it, because it may contain a password.
pub(super) fn url(field: &Field<'_>) -> Checked<Url> {
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
    // The parser may find user information that the check above did not find.
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
