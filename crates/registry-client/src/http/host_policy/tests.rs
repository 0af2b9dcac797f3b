//! Which hosts a server may send the client to, by name and by address; through the HTTP client where the address
//! counts.

use std::io;
use std::net::SocketAddr;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::net::TcpListener;

use super::*;
use crate::http::connect::ConnectionLimit;
use crate::http::tls::client_config;
use crate::login::auth::Auth;
use crate::tests::settings as of;

/// The names of a hostile server's zone.
fn zone(name: &str) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
    let addresses: &[&str] = match name {
        "public.example" => &["93.184.215.14", "2606:2800:21f::1"],
        "inside.example" => &["10.0.0.5", "fd00::5"],
        "mixed.example" => &["10.0.0.5", "93.184.215.14"],
        "mapped.example" => &["::ffff:169.254.169.254"],
        "here.example" => &["127.0.0.1"],
        _ => return async { Err(io::ErrorKind::NotFound.into()) }.boxed(),
    };
    let addresses = addresses.iter().map(|address| SocketAddr::new(address.parse().expect("an address"), 0));
    let addresses = addresses.collect();
    async { Ok(addresses) }.boxed()
}

fn settings(registry: &str, allowed: &[AllowedHost]) -> RegistrySettings {
    RegistrySettings { allow_hosts: allowed.to_vec(), ..of(registry.parse().expect("a URL"), Auth::None) }
}

fn guard(registry: &str, allowed: &[AllowedHost]) -> AddressGuard {
    AddressGuard::new(&settings(registry, allowed), Arc::default(), zone)
}

fn wire() -> WireSettings {
    let tls = client_config(&settings("http://r.example", &[])).expect("a TLS configuration");
    let (limit, connect) = (ConnectionLimit::new(4), std::time::Duration::from_secs(5));
    WireSettings { tls: Arc::new(tls), limit, most_idle: 4, connect }
}

fn policy(settings: &RegistrySettings) -> HostPolicy {
    let policy = HostPolicy::new(settings, Arc::default(), ProxyEnvironment::default(), &wire()).expect("clients");
    let guard = AddressGuard::new(settings, Arc::default(), zone);
    let guarded = wire().client(None, Some(guard.clone()));
    HostPolicy { guarded, guard, ..policy }
}

async fn send(client: &WireClient, url: &Url) -> Result<(), Problem> {
    client.send(url, hyper::Request::new(hyper::body::Bytes::new())).await.map(|_| ())
}

fn host(name: &str) -> AllowedHost {
    AllowedHost::Host(name.to_owned())
}

fn network(text: &str) -> AllowedHost {
    AllowedHost::Network(text.parse().expect("a network"))
}

async fn found(guard: &AddressGuard, name: &str) -> Result<Vec<String>, String> {
    let found = (guard.lookup())(name).await.map_err(|error| error.to_string())?;
    let found = guard.allowed(name, found).map_err(|error| error.to_string())?;
    Ok(found.iter().map(|address| address.ip().to_string()).collect())
}

#[tokio::test]
async fn a_name_is_looked_up_as_those_addresses_that_a_server_may_send_us_to() {
    let guard = guard("https://r.example", &[]);
    assert_eq!(found(&guard, "public.example").await, Ok(vec!["93.184.215.14".into(), "2606:2800:21f::1".into()]));
    assert_eq!(found(&guard, "mixed.example").await, Ok(vec!["93.184.215.14".into()]));
    for (name, words) in [
        ("inside.example", "inside.example (10.0.0.5), a private address"),
        ("mapped.example", "the address of a cloud's metadata service"),
        ("here.example", "here.example (127.0.0.1), a loopback address"),
    ] {
        let error = found(&guard, name).await.expect_err("refused");
        assert!(error.contains(words), "{error}");
    }
}

#[tokio::test]
async fn where_the_registry_itself_is_what_is_there_as_well_is_allowed_and_nothing_else() {
    let guard = guard("https://r.example", &[]);
    guard.note_own_address("10.9.9.9".parse().expect("an address"));
    assert_eq!(found(&guard, "inside.example").await, Ok(vec!["10.0.0.5".into(), "fd00::5".into()]));
    for name in ["mapped.example", "here.example"] {
        found(&guard, name).await.expect_err("another kind of address");
    }
    guard.note_own_address("::1".parse().expect("an address"));
    found(&guard, "here.example").await.expect("the registry is on this machine");
    for name in ["mapped.example", "inside.example"] {
        found(&guard, name).await.expect_err("another kind of address");
    }
    // When the registry's own address changes, the permission changes with it.
    guard.note_own_address("93.184.215.14".parse().expect("an address"));
    found(&guard, "inside.example").await.expect_err("refused");
}

#[test]
fn an_address_in_a_url_is_judged_however_it_is_written() {
    let policy = policy(&settings("https://r.example", &[]));
    for url in [
        "http://127.0.0.1/",
        "http://0x7f.1/",
        "http://2130706433/",
        "http://127.1/",
        "http://0/",
        "http://169.254.169.254/latest/meta-data/",
        "http://169.254.169.254./latest/",
        "http://0251.0376.0251.0376/",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://[64:ff9b::a00:1]/",
        "http://[fd00:ec2::254]/",
        "http://10.0.0.1:9000/",
        "http://１０.0.0.1/",
    ] {
        for named_by in [NamedBy::Realm, NamedBy::Redirect] {
            let refused = policy.client(&url.parse().expect("a URL"), named_by).err().map(|error| error.to_string());
            assert!(refused.is_some_and(|words| words.ends_with("nothing was sent there")), "{url}");
        }
    }
    policy.client(&"http://8.8.8.8/".parse().expect("a URL"), NamedBy::Redirect).expect("a public address");
}

#[tokio::test]
async fn what_a_name_leads_to_is_refused_where_it_is_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url: Url =
        format!("http://here.example:{}/", listener.local_addr().expect("bound").port()).parse().expect("a URL");
    let policy = policy(&settings("https://r.example", &[]));
    for named_by in [NamedBy::Realm, NamedBy::Redirect] {
        let sent = send(policy.client(&url, named_by).expect("a name"), &url).await;
        let Err(Problem::Forbidden(error)) = sent else { panic!("{sent:?}") };
        assert_eq!(error.host, "here.example");
    }
    assert!(listener.accept().now_or_never().is_none(), "nobody has come");

    // The same name, once the registry is on this machine.
    policy.guard.note_own_address("127.0.0.1".parse().expect("an address"));
    let client = policy.client(&url, NamedBy::Redirect).expect("a name").clone();
    let sent = tokio::spawn(async move { send(&client, &url).await });
    listener.accept().await.expect("somebody has come");
    sent.abort();
}

#[test]
fn hosts_that_stand_in_the_configuration_are_not_looked_at() {
    let own = |policy: &HostPolicy, url: &str, named_by| {
        policy
            .client(&url.parse().expect("a URL"), named_by)
            .is_ok_and(|client| std::ptr::eq(client, &raw const policy.own))
    };
    let plain = policy(&settings("https://10.0.0.1:5000", &[]));
    assert!(own(&plain, "https://10.0.0.1:9000/x", NamedBy::Redirect), "the registry's own host");
    assert!(own(&plain, "https://169.254.1.1/", NamedBy::Configured));
    let plain = policy(&settings("https://r.example", &[]));
    assert!(!own(&plain, "https://inside.example/", NamedBy::Redirect));

    let listed = [host("inside.example:9000"), network("10.2.0.0/16"), network("fd00::1")];
    let named = policy(&RegistrySettings {
        realm_hosts: vec!["auth.example".into()],
        ..settings("https://r.example", &listed)
    });
    for (url, named_by, allowed) in [
        ("https://inside.example:9000/x", NamedBy::Redirect, true),
        ("https://inside.example:9001/x", NamedBy::Redirect, false),
        ("https://10.2.3.4/x", NamedBy::Redirect, true),
        ("https://10.3.3.4/x", NamedBy::Redirect, false),
        ("https://[fd00::1]/x", NamedBy::Realm, true),
        ("https://auth.example/t", NamedBy::Realm, true),
        // `realm_hosts` are not allowed for content.
        ("https://auth.example/t", NamedBy::Redirect, false),
    ] {
        assert_eq!(own(&named, url, named_by), allowed, "{url}");
    }
}

#[tokio::test]
async fn a_name_may_lead_to_an_allowed_network() {
    let guard = guard("https://r.example", &[network("10.0.0.0/24")]);
    assert_eq!(found(&guard, "inside.example").await, Ok(vec!["10.0.0.5".into()]));
    found(&guard, "here.example").await.expect_err("another network");
}

#[test]
fn a_proxy_looks_names_up_and_addresses_are_judged_all_the_same() {
    let proxied = |registry: &str| {
        let proxies = ProxyEnvironment::read(|name| match name {
            "ALL_PROXY" => Some("http://proxy.example:3128".to_owned()),
            "NO_PROXY" => Some("direct.example".to_owned()),
            _ => None,
        });
        HostPolicy { proxies: Arc::new(proxies), ..policy(&settings(registry, &[])) }
    };
    let remote = proxied("https://r.example");
    let client = |url: &str| remote.client(&url.parse().expect("a URL"), NamedBy::Redirect);
    assert!(client("https://inside.example/").is_ok_and(|client| std::ptr::eq(client, &raw const remote.own)));
    assert!(client("https://direct.example/").is_ok_and(|client| std::ptr::eq(client, &raw const remote.guarded)));
    // No proxy is asked for this machine, and the guard refuses its address.
    assert!(client("http://localhost/").is_ok_and(|client| std::ptr::eq(client, &raw const remote.guarded)));
    for url in ["https://10.0.0.1/", "http://x.localhost./", "http://169.254.169.254/"] {
        assert!(matches!(client(url), Err(Problem::Forbidden(_))), "{url}");
    }
}

#[test]
fn a_secret_in_a_name_is_not_shown() {
    let memory = Arc::<SentSecrets>::default();
    memory.note(None, Some("password=hunter2"));
    let guard = AddressGuard { sent: memory, ..guard("https://r.example", &[]) };
    let error = guard.pass_by_proxy("hunter2.localhost").expect_err("refused").to_string();
    assert!(error.contains("[secret].localhost"), "{error}");
}
