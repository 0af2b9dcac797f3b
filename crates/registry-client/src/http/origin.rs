//! Which hosts may receive credentials. Pure: compares URLs and resolves no names.

use url::Url;

use crate::http::sent_secrets::SentSecrets;
use crate::http::site::{is_known_pair, same_site};
use crate::http::written_url::resolve;
use crate::problem::origin::UntrustedRealm;

/// Whether two URLs have the same scheme, host and port.
pub(crate) fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme() && a.host() == b.host() && a.port_or_known_default() == b.port_or_known_default()
}

/// Where a redirect leads, for messages: origin and path. Its query is not shown, because it may be a key to what it
/// leads to.
pub(crate) fn destination(url: &Url, location: &[u8], sent: &SentSecrets) -> String {
    let target = resolve(url, location).ok().filter(|_| !location.is_empty());
    target.map_or_else(|| "nowhere".into(), |to| place(&to, sent))
}

/// Scheme, host, port and path of a URL, for messages. A path with a secret that was sent, in whatever encoding, is left
/// out.
pub(crate) fn place(url: &Url, sent: &SentSecrets) -> String {
    let origin = url.origin().ascii_serialization();
    let path = decoded(url.path());
    if sent.redact(path.clone()) != path {
        return sent.shown(format!("{origin}/[secret]"));
    }
    sent.shown(format!("{origin}{}", url.path()))
}

/// A path with its percent-encoded bytes decoded.
fn decoded(path: &str) -> String {
    let hex = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
    let (mut bytes, mut rest) = (Vec::new(), path.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let byte = after.get(..2).filter(|_| *first == b'%').and_then(hex);
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Checks that credentials of `registry` may be sent to `realm`: the registry's own host name on any port, the same
/// registrable domain unless customers share it, a built-in pair, or one of `realm_hosts` (`host` for any port, or
/// `host:port`).
pub(crate) fn trust_realm(realm: &Url, registry: &Url, realm_hosts: &[String]) -> Result<(), UntrustedRealm> {
    match realm.scheme() {
        "https" => {}
        "http" if registry.scheme() == "http" => {}
        "http" => return Err(UntrustedRealm::Plaintext),
        _ => return Err(UntrustedRealm::Odd),
    }
    let (Some(to), Some(from)) = (realm.host(), registry.host()) else { return Err(UntrustedRealm::Odd) };
    if !realm.username().is_empty() || realm.password().is_some() {
        return Err(UntrustedRealm::Odd);
    }
    if to == from
        || same_site(&to, &from)
        || is_known_pair(realm, registry)
        || is_listed(realm, realm_hosts.iter().map(String::as_str))
    {
        Ok(())
    } else {
        Err(UntrustedRealm::OtherSite)
    }
}

/// Whether the URL's host is one of these: `host` for any port, or `host:port`.
pub(crate) fn is_listed<'h>(url: &Url, mut hosts: impl Iterator<Item = &'h str>) -> bool {
    let Some(host) = url.host_str() else { return false };
    let with_port = url.port_or_known_default().map(|port| format!("{host}:{port}"));
    hosts.any(|listed| {
        listed.eq_ignore_ascii_case(host) || with_port.as_ref().is_some_and(|own| listed.eq_ignore_ascii_case(own))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::header::basic;
    use crate::login::secret::Secret;

    #[test]
    fn a_path_with_a_secret_is_not_shown_in_any_encoding() {
        let sent = SentSecrets::default();
        sent.note(Some(&basic("u", &Secret::new("hunter2/Ü+%")).expect("a header")), None);
        let base = Url::parse("https://r.example/v2/").expect("a URL");
        for path in ["/hunter2/Ü+%", "/a/hunter2%2F%C3%9C%2B%25", "/hunter2/%c3%9c+%25/b", "/%68unter2/Ü+%"] {
            let shown = destination(&base, format!("https://login.example{path}?x=y").as_bytes(), &sent);
            assert_eq!(shown, "https://login.example/[secret]", "{path}");
        }
        assert_eq!(destination(&base, b"/a%20b?hunter2", &sent), "https://r.example/a%20b");
        assert_eq!(destination(&base, b"", &sent), "nowhere");
    }

    fn trust(realm: &str, registry: &str, listed: &[&str]) -> Result<(), UntrustedRealm> {
        let listed: Vec<String> = listed.iter().map(|&host| host.to_owned()).collect();
        trust_realm(&Url::parse(realm).expect("realm"), &Url::parse(registry).expect("registry"), &listed)
    }

    #[test]
    fn credentials_go_to_the_same_host_the_same_site_or_a_known_pair() {
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
    fn credentials_go_nowhere_else() {
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
            // A name of one part with a dot at its end is another host than without.
            ("https://registry./t", "https://registry"),
            ("https://b.co.uk./t", "https://a.co.uk."),
            ("https://evil.com./t", "https://quay.io."),
            ("https://xn--quay-5qa.io/t", "https://quay.io"),
            ("https://quay.io.:443/t", "https://evil.com"),
            ("https://[::1]/t", "https://[::2]"),
            ("https://[::ffff:127.0.0.1]/t", "https://127.0.0.1"),
        ] {
            assert_eq!(trust(realm, registry, &[]), Err(UntrustedRealm::OtherSite), "{realm} for {registry}");
        }
        assert_eq!(trust("https://quay.io@evil.com/", "https://evil.com", &[]), Err(UntrustedRealm::Odd));
    }

    #[test]
    fn token_services_of_clouds_are_known_by_name() {
        for (realm, registry) in [
            ("https://dockerauth.cn-hangzhou.aliyuncs.com/auth", "https://registry.cn-hangzhou.aliyuncs.com"),
            ("https://dockerauth.aliyuncs.com/auth", "https://registry.aliyuncs.com"),
            ("https://dockerauth-vpc.cn-beijing.aliyuncs.com/auth", "https://registry-vpc.cn-beijing.aliyuncs.com"),
            (
                "https://dockerauth-ee.ap-southeast-1.aliyuncs.com/auth",
                "https://me-registry.ap-southeast-1.cr.aliyuncs.com",
            ),
            ("https://dockerauth.cn-hangzhou.aliyuncs.com/auth", "https://crpi-x.cn-hangzhou.personal.cr.aliyuncs.com"),
            (
                "https://dockerauth-cn-zhangjiakou.aliyuncs.com/auth",
                "https://me-registry.cn-zhangjiakou.cr.aliyuncs.com",
            ),
            ("https://api.digitalocean.com/v2/registry/auth", "https://registry.digitalocean.com"),
            ("https://api.scaleway.com/registry-internal/v1/regions/fr-par/tokens", "https://rg.fr-par.scw.cloud"),
            ("https://sso.redhat.com/auth/realms/rhcc/protocol/redhat-docker-v2/auth", "https://registry.redhat.io"),
            ("https://authn.nvidia.com/token", "https://nvcr.io"),
            // These registries are their own token services.
            ("https://me.azurecr.io/oauth2/token", "https://me.azurecr.io"),
            ("https://1.dkr.ecr.eu-west-1.amazonaws.com/", "https://1.dkr.ecr.eu-west-1.amazonaws.com"),
            ("https://swr.cn-north-4.myhuaweicloud.com/swr/auth", "https://swr.cn-north-4.myhuaweicloud.com"),
            ("https://me.jfrog.io/artifactory/api/docker/x/v2/token", "https://me.jfrog.io"),
            ("https://me.tencentcloudcr.com/service/token", "https://me.tencentcloudcr.com"),
            // Within the domain of one company.
            ("https://gitlab.example.com/jwt/auth", "https://registry.example.com"),
        ] {
            assert_eq!(trust(realm, registry, &[]), Ok(()), "{realm} for {registry}");
        }
    }

    #[test]
    fn another_customer_of_the_same_cloud_gets_nothing() {
        for (realm, registry) in [
            ("https://evil.azurecr.io/t", "https://me.azurecr.io"),
            ("https://evil.jfrog.io/t", "https://me.jfrog.io"),
            ("https://evil.x.eastus.azurecontainerapps.io/t", "https://me.y.eastus.azurecontainerapps.io"),
            ("https://evil.eastus.cloudapp.azure.com/t", "https://me.eastus.cloudapp.azure.com"),
            ("https://evil.apps.b.p1.openshiftapps.com/t", "https://me.apps.a.p1.openshiftapps.com"),
            ("https://evil.10.0.0.2.nip.io/t", "https://me.10.0.0.1.nip.io"),
            ("https://evil.10-0-0-2.sslip.io/t", "https://me.10-0-0-1.sslip.io"),
            ("https://evil.tail2.ts.net/t", "https://me.tail1.ts.net"),
            ("https://2.dkr.ecr.eu-west-1.amazonaws.com/", "https://1.dkr.ecr.eu-west-1.amazonaws.com"),
            ("https://evil.s3.amazonaws.com/t", "https://1.dkr.ecr.eu-west-1.amazonaws.com"),
            ("https://dockerauth.oss-cn-hangzhou.aliyuncs.com/auth", "https://registry.cn-hangzhou.aliyuncs.com"),
            ("https://dockerauth.cn-beijing.aliyuncs.com/auth", "https://registry.cn-hangzhou.aliyuncs.com"),
            ("https://dockerauth.cn-hangzhou.aliyuncs.com.evil.com/auth", "https://registry.cn-hangzhou.aliyuncs.com"),
            ("https://dockerauth.cn-hangzhou.aliyuncs.com/auth", "https://evil.oss-cn-hangzhou.aliyuncs.com"),
            ("https://api.scaleway.com/t", "https://evil.s3.fr-par.scw.cloud"),
            ("https://evil.fly.dev/t", "https://me.fly.dev"),
            ("https://evil.azurecr.io./t", "https://me.azurecr.io."),
            ("https://EVIL.AzureCR.io/t", "https://me.azurecr.io"),
        ] {
            assert_eq!(trust(realm, registry, &[]), Err(UntrustedRealm::OtherSite), "{realm} for {registry}");
        }
        assert_eq!(trust("https://b.jfrog.io/t", "https://a.jfrog.io", &["b.jfrog.io"]), Ok(()), "unless it is listed");
    }

    #[test]
    fn a_realm_is_https_unless_the_registry_is_http() {
        assert_eq!(trust("http://quay.io/auth", "https://quay.io", &[]), Err(UntrustedRealm::Plaintext));
        assert_eq!(trust("file:///etc/passwd", "http://quay.io", &[]), Err(UntrustedRealm::Odd));
        assert_eq!(trust("http://auth.lan/t", "https://r.lan", &["auth.lan"]), Err(UntrustedRealm::Plaintext));
        assert_eq!(trust("http://quay.io/auth", "http://quay.io", &[]), Ok(()));
    }

    #[test]
    fn realm_hosts_name_a_host_or_a_host_and_port() {
        assert_eq!(trust("https://sso.corp.net:9/t", "https://r.example.com", &["sso.corp.net"]), Ok(()));
        assert_eq!(trust("https://sso.corp.net/t", "https://r.example.com", &["SSO.corp.net:443"]), Ok(()));
        assert_eq!(trust("https://[::1]:5001/t", "https://r.example.com", &["[::1]:5001"]), Ok(()));
        let other_port = trust("https://sso.corp.net:9/t", "https://r.example.com", &["sso.corp.net:443"]);
        assert_eq!(other_port, Err(UntrustedRealm::OtherSite));
    }
}
