//! Who may be sent credentials. Pure: compares URLs, resolves no names.

use url::{Host, Url};

/// Registries whose token service is known to live under another registrable domain: (registry, realm).
/// `registry-1.docker.io` → `auth.docker.io` and `registry.gitlab.com` → `gitlab.com` need no entry: same domain.
const KNOWN_PAIRS: &[(&str, &str)] = &[("registry.hub.docker.com", "auth.docker.io")];

/// Why a realm is not sent credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// Neither https nor, where the registry itself is plain http, http.
    #[error("the realm is not https")]
    Plaintext,
    /// The realm's URL carries a user name or has no host.
    #[error("the realm is not a plain URL")]
    Odd,
    /// Another site (CVE-2020-15157, CVE-2026-33540, CVE-2026-48978).
    #[error("the realm is on another site")]
    OtherSite,
}

/// Whether two URLs have the same scheme, host and port.
pub fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme() && a.host() == b.host() && a.port_or_known_default() == b.port_or_known_default()
}

/// The origin that a redirect leads to; no more of it, since a server may put there what it was sent.
pub(super) fn destination(url: &Url, location: &str) -> String {
    url.join(location).map_or_else(|_| "nowhere".into(), |to| to.origin().ascii_serialization())
}

/// Whether a token may be asked for at `realm` on behalf of `registry`: its own host name on any port, the same
/// registrable domain, a built-in pair, or one of `realm_hosts` (`host` for any port, or `host:port`).
pub fn trust_realm(realm: &Url, registry: &Url, realm_hosts: &[String]) -> Result<(), Distrust> {
    match realm.scheme() {
        "https" => {}
        "http" if registry.scheme() == "http" => {}
        _ => return Err(Distrust::Plaintext),
    }
    let (Some(to), Some(from)) = (realm.host(), registry.host()) else { return Err(Distrust::Odd) };
    if !realm.username().is_empty() || realm.password().is_some() {
        return Err(Distrust::Odd);
    }
    if to == from || same_site(&to, &from) || is_known_pair(realm, registry) || is_listed(realm, realm_hosts) {
        Ok(())
    } else {
        Err(Distrust::OtherSite)
    }
}

/// Same registrable domain by the public suffix list. Unknown suffixes (`cluster.local`, `lan`) never match: anybody
/// in such a network may hold a name there.
fn same_site(a: &Host<&str>, b: &Host<&str>) -> bool {
    let (Host::Domain(a), Host::Domain(b)) = (a, b) else { return false };
    let known = psl::suffix(a.as_bytes()).is_some_and(|suffix| suffix.is_known());
    known && psl::domain_str(a).is_some_and(|domain| psl::domain_str(b) == Some(domain))
}

fn is_known_pair(realm: &Url, registry: &Url) -> bool {
    KNOWN_PAIRS.iter().any(|(from, to)| registry.host_str() == Some(from) && realm.host_str() == Some(to))
}

fn is_listed(realm: &Url, realm_hosts: &[String]) -> bool {
    let Some(host) = realm.host_str() else { return false };
    let with_port = realm.port_or_known_default().map(|port| format!("{host}:{port}"));
    realm_hosts.iter().any(|listed| {
        listed.eq_ignore_ascii_case(host) || with_port.as_ref().is_some_and(|own| listed.eq_ignore_ascii_case(own))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trust(realm: &str, registry: &str, listed: &[&str]) -> Result<(), Distrust> {
        let listed: Vec<String> = listed.iter().map(|&host| host.to_owned()).collect();
        trust_realm(&Url::parse(realm).expect("realm"), &Url::parse(registry).expect("registry"), &listed)
    }

    #[test]
    fn edge_18_credentials_go_to_the_same_host_the_same_site_or_a_known_pair() {
        for (realm, registry) in [
            ("https://quay.io/v2/auth", "https://quay.io"),
            ("https://quay.io:8443/auth", "https://quay.io"),
            ("https://auth.docker.io/token", "https://registry-1.docker.io"),
            ("https://auth.docker.io/token", "https://docker.io"),
            ("https://auth.docker.io/token", "https://index.docker.io"),
            ("https://auth.docker.io/token", "https://registry.hub.docker.com"),
            ("https://gitlab.com/jwt/auth", "https://registry.gitlab.com"),
            ("https://auth.example.co.uk/t", "https://registry.example.co.uk"),
            ("http://127.0.0.1:5001/auth", "http://127.0.0.1:5000"),
            ("http://localhost:5001/auth", "http://localhost:5000"),
            ("https://registry/auth", "http://registry"),
            ("https://AUTH.Quay.IO:8443/auth#fragment", "https://quay.io"),
            ("https://[::1]:5001/auth", "https://[::1]:5000"),
        ] {
            assert_eq!(trust(realm, registry, &[]), Ok(()), "{realm} for {registry}");
        }
    }

    #[test]
    fn edge_18_credentials_go_nowhere_else() {
        for (realm, registry) in [
            ("https://evil.example.com/auth", "https://quay.io"),
            ("https://quay.io.evil.com/auth", "https://quay.io"),
            ("https://notquay.io/auth", "https://quay.io"),
            ("https://b.co.uk/t", "https://a.co.uk"),
            ("https://evil.github.io/t", "https://registry.github.io"),
            ("https://evil.cluster.local/t", "https://registry.cluster.local"),
            ("https://auth.lan/t", "https://registry.lan"),
            ("http://127.0.0.1/auth", "http://localhost"),
            ("http://10.0.0.1/auth", "http://10.0.0.2"),
            ("https://169.254.169.254/latest", "https://quay.io"),
            ("https://docker.io/t", "https://registry.hub.docker.com"),
            // With a dot at its end, a name of one part is another host than without.
            ("https://registry./t", "https://registry"),
            ("https://b.co.uk./t", "https://a.co.uk."),
            ("https://evil.com./t", "https://quay.io."),
            ("https://xn--quay-5qa.io/t", "https://quay.io"),
            ("https://quay.io.:443/t", "https://evil.com"),
            ("https://[::1]/t", "https://[::2]"),
            ("https://[::ffff:127.0.0.1]/t", "https://127.0.0.1"),
        ] {
            assert_eq!(trust(realm, registry, &[]), Err(Distrust::OtherSite), "{realm} for {registry}");
        }
        assert_eq!(trust("https://quay.io@evil.com/", "https://evil.com", &[]), Err(Distrust::Odd));
    }

    #[test]
    fn a_realm_is_https_unless_the_registry_is_http() {
        assert_eq!(trust("http://quay.io/auth", "https://quay.io", &[]), Err(Distrust::Plaintext));
        assert_eq!(trust("file:///etc/passwd", "http://quay.io", &[]), Err(Distrust::Plaintext));
        assert_eq!(trust("http://auth.lan/t", "https://r.lan", &["auth.lan"]), Err(Distrust::Plaintext));
        assert_eq!(trust("http://quay.io/auth", "http://quay.io", &[]), Ok(()));
    }

    #[test]
    fn realm_hosts_name_a_host_or_a_host_and_port() {
        assert_eq!(trust("https://sso.corp.net:9/t", "https://r.example.com", &["sso.corp.net"]), Ok(()));
        assert_eq!(trust("https://sso.corp.net/t", "https://r.example.com", &["SSO.corp.net:443"]), Ok(()));
        assert_eq!(trust("https://[::1]:5001/t", "https://r.example.com", &["[::1]:5001"]), Ok(()));
        let other_port = trust("https://sso.corp.net:9/t", "https://r.example.com", &["sso.corp.net:443"]);
        assert_eq!(other_port, Err(Distrust::OtherSite));
    }
}
