//! Which `Host` a request may name. A page of another site can point its own domain at our address (DNS rebinding) and then
//! read our responses as its own. Its requests name that domain.

use std::collections::BTreeSet;
use std::net::IpAddr;

use hyper::Request;
use hyper::header::HOST;
use hyper::http::uri::Authority;

/// The names that requests may use for this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AllowedHosts {
    /// Every name: the listener is on the network, and the configuration does not list names.
    Any,
    /// `localhost`, every loopback address, and these, in lower case.
    Known(BTreeSet<String>),
}

impl AllowedHosts {
    /// On loopback the names are known; on the network only if the configuration lists them.
    pub(super) fn of(is_loopback: bool, allowed: &BTreeSet<String>) -> Self {
        if is_loopback || !allowed.is_empty() { Self::Known(allowed.clone()) } else { Self::Any }
    }

    /// Whether the request names one of these hosts, with any port, in its target and in its `Host`. A request without a `Host`,
    /// as in HTTP/1.0, does not come from a browser.
    pub(super) fn allow<B>(&self, request: &Request<B>) -> bool {
        let Self::Known(allowed) = self else { return true };
        let mut named = request.headers().get_all(HOST).iter();
        let is_known = |authority: &str| {
            let Ok(authority) = authority.parse::<Authority>() else { return false };
            is_this_machine(authority.host()) || allowed.contains(plain(authority.host()).as_str())
        };
        let of_target = request.uri().authority().map(Authority::as_str);
        let first = match named.next().map(|value| value.to_str()) {
            Some(Ok(value)) => Some(value),
            Some(Err(_)) => return false,
            None => None,
        };
        named.next().is_none() && of_target.into_iter().chain(first).all(is_known)
    }
}

/// The form in which hosts are compared: in lower case, without a dot at the end.
pub(crate) fn plain(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    plain(host) == "localhost" || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: &str, hosts: &[&str]) -> Request<()> {
        let mut request = Request::builder().uri(target);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        request.body(()).expect("a request")
    }

    #[test]
    fn on_loopback_only_this_machine_and_the_allowed_names_are_served() {
        let allowed = BTreeSet::from(["inventory.my-org.example".to_owned()]);
        let hosts = AllowedHosts::of(true, &allowed);
        for good in [
            "localhost",
            "localhost:9914",
            "LocalHost.",
            "127.0.0.1:9914",
            "127.8.9.10",
            "[::1]:9914",
            "[::ffff:127.0.0.1]",
            "inventory.my-org.example",
            "Inventory.My-Org.example.:443",
        ] {
            assert!(hosts.allow(&request("/", &[good])), "{good}");
        }
        for bad in [
            "attacker.example",
            "attacker.example:9914",
            "localhost.attacker.example",
            "127.0.0.1.nip.io",
            "notlocalhost",
            "10.0.0.1",
            "[fe80::1]",
            "0.0.0.0",
            "",
            "a b",
            "inventory.my-org.example.attacker.example",
        ] {
            assert!(!hosts.allow(&request("/", &[bad])), "{bad}");
        }
    }

    #[test]
    fn target_and_header_must_both_be_ours_and_there_is_one_header() {
        let hosts = AllowedHosts::of(true, &BTreeSet::new());
        assert!(hosts.allow(&request("/", &[])), "HTTP/1.0");
        assert!(hosts.allow(&request("http://localhost/", &["localhost"])));
        assert!(!hosts.allow(&request("http://attacker.example/", &["localhost"])));
        assert!(!hosts.allow(&request("http://localhost/", &["attacker.example"])));
        assert!(!hosts.allow(&request("/", &["localhost", "attacker.example"])));
        assert!(!hosts.allow(&request("/", &["localhost", "localhost"])));
        let mut odd = request("/", &[]);
        odd.headers_mut().insert(HOST, hyper::header::HeaderValue::from_bytes(b"\xff").expect("bytes"));
        assert!(!hosts.allow(&odd));
    }

    #[test]
    fn on_the_network_every_name_is_allowed_unless_names_are_listed() {
        let any = AllowedHosts::of(false, &BTreeSet::new());
        assert!(any.allow(&request("/", &["whatever.example"])));
        let listed = AllowedHosts::of(false, &BTreeSet::from(["inventory.example".to_owned()]));
        assert!(listed.allow(&request("/", &["inventory.example:9914"])));
        assert!(!listed.allow(&request("/", &["whatever.example"])));
    }
}
