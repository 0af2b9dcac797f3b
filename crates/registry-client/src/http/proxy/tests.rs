//! The reading of the environment, with the cases of Go's own tests of `golang.org/x/net/http/httpproxy`
//! (`proxy_test.go`: `proxyForURLTests` and `UseProxyTests`), and what other programs write into these variables.

use super::*;

fn environment(variables: &[(&'static str, &str)]) -> ProxyEnvironment {
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    ProxyEnvironment::read(|name| variables.iter().find(|(own, _)| *own == name).map(|(_, value)| value.clone()))
}

/// The address of the proxy, or why there is none.
fn way(environment: &ProxyEnvironment, url: &str) -> String {
    match environment.route(&url.parse().expect("a URL")) {
        Ok(Route::Proxy(proxy)) => format!("{:?} {}", proxy.protocol, proxy.name),
        Ok(Route::Direct(why)) => format!("direct: {why}"),
        Err(unusable) => format!("unusable: {unusable}"),
    }
}

#[test]
fn a_proxy_is_read_as_go_reads_it() {
    for (value, wanted) in [
        ("127.0.0.1:8080", "Http the proxy of $HTTPS_PROXY, 127.0.0.1:8080"),
        ("cache.corp.example.com:1234", "Http the proxy of $HTTPS_PROXY, cache.corp.example.com:1234"),
        ("cache.corp.example.com", "Http the proxy of $HTTPS_PROXY, cache.corp.example.com:80"),
        ("https://cache.corp.example.com", "Https the proxy of $HTTPS_PROXY, cache.corp.example.com:443"),
        ("http://127.0.0.1:8080/", "Http the proxy of $HTTPS_PROXY, 127.0.0.1:8080"),
        ("socks5://127.0.0.1", "Socks5 the proxy of $HTTPS_PROXY, 127.0.0.1:1080"),
        ("socks5h://cache.example:9", "Socks5 the proxy of $HTTPS_PROXY, cache.example:9"),
        ("http://user:hunter2@[::1]:3128", "Http the proxy of $HTTPS_PROXY, [::1]:3128"),
        (" http://proxy:1 ", "Http the proxy of $HTTPS_PROXY, proxy:1"),
    ] {
        assert_eq!(way(&environment(&[("HTTPS_PROXY", value)]), "https://r.example"), wanted, "{value}");
    }
}

#[test]
fn a_proxy_that_cannot_be_read_is_never_a_direct_connection_and_its_value_is_not_shown() {
    for (value, wanted) in [
        ("http://user:hunter2 x@proxy:1", "it has a blank or a control character"),
        ("http://user:hunter2\n@proxy:1", "it has a blank or a control character"),
        ("http://", "it is not a URL with a host"),
        ("http://user:hunter2@", "it is not a URL with a host"),
        ("http://user:hunter2@proxy:port", "it is not a URL with a host"),
        ("http://user:hunter2%zz@proxy:1", "its user name or its password has a `%` that encodes nothing"),
        ("socks4://hunter2@proxy:1", "the scheme `socks4` is not supported"),
        ("ftp://proxy", "the scheme `ftp` is not supported"),
    ] {
        let environment = environment(&[("https_proxy", value), ("NO_PROXY", "direct.example")]);
        let told = way(&environment, "https://r.example");
        assert!(told.starts_with("unusable: the proxy in $https_proxy cannot be used: "), "{value}: {told}");
        assert!(told.contains(wanted) && !told.contains("hunter2"), "{value}: {told}");
        let Err(unusable) = environment.route(&"https://r.example".parse().expect("a URL")) else { unreachable!() };
        assert!(unusable.cause().remedy().contains("https_proxy") && !unusable.cause().remedy().contains("hunter2"));
        // Where no proxy is wanted, nothing is wrong.
        assert!(way(&environment, "https://direct.example").starts_with("direct: "), "{value}");
        assert!(way(&environment, "http://r.example").starts_with("direct: "), "{value}");
    }
}

#[test]
fn the_first_variable_that_is_not_empty_counts() {
    for (variables, url, wanted) in [
        (&[("HTTPS_PROXY", "a:1"), ("https_proxy", "b:2")][..], "https://r.example", "$HTTPS_PROXY, a:1"),
        (&[("HTTPS_PROXY", ""), ("https_proxy", "b:2")], "https://r.example", "$https_proxy, b:2"),
        (&[("HTTP_PROXY", ""), ("http_proxy", "b:2")], "http://r.example", "$http_proxy, b:2"),
        (&[("HTTP_PROXY", "a:1")], "https://r.example", "direct: $HTTPS_PROXY is not set"),
        (&[("HTTPS_PROXY", "a:1")], "http://r.example", "direct: $HTTP_PROXY is not set"),
        (&[("ALL_PROXY", "a:1")], "https://r.example", "$ALL_PROXY, a:1"),
        (&[("all_proxy", "a:1"), ("https_proxy", "b:2")], "https://r.example", "$https_proxy, b:2"),
        (&[("HTTPS_PROXY", "a:1"), ("NO_PROXY", ""), ("no_proxy", "r.example")], "https://r.example", "$no_proxy has"),
        (&[], "https://r.example", "direct: $HTTPS_PROXY is not set"),
    ] {
        let told = way(&environment(variables), url);
        assert!(told.contains(wanted), "{variables:?} {url}: {told}");
    }
}

/// CVE-2016-5385: the header `Proxy` of a request is `HTTP_PROXY` of a CGI program.
#[test]
fn a_cgi_program_takes_no_http_proxy_from_its_caller() {
    let cgi = environment(&[("REQUEST_METHOD", "GET"), ("HTTP_PROXY", "evil:1"), ("HTTPS_PROXY", "good:2")]);
    assert!(way(&cgi, "http://r.example").starts_with("unusable: the proxy in $HTTP_PROXY"));
    assert!(way(&cgi, "https://r.example").ends_with("good:2"));
    let all = environment(&[("REQUEST_METHOD", "GET"), ("ALL_PROXY", "good:2")]);
    assert!(way(&all, "http://r.example").ends_with("good:2"));
}

#[test]
fn hosts_of_no_proxy_are_read_as_go_reads_them() {
    const LIST: &str = "foobar.com, .barbaz.net, *.wildcard.io, 192.168.1.1, 192.168.1.2:81, 192.168.1.3:80, \
                        10.0.0.0/30, 2001:db8::52:0:1, [2001:db8::52:0:2]:443, [2001:db8::52:0:3]:80, \
                        2002:db8:a::45/64, Corp.Example., ports.example:5000, xn--mnchen-3ya.example, , :80, *.";
    let environment = environment(&[("HTTP_PROXY", "proxy:1"), ("HTTPS_PROXY", "proxy:1"), ("NO_PROXY", LIST)]);
    for (host, proxied) in [
        // Never proxy this machine.
        ("localhost", false),
        ("127.0.0.1", false),
        ("127.0.0.2", false),
        ("[::1]", false),
        ("[::2]", true),
        ("[::ffff:127.0.0.1]", false),
        ("barbaz.net", true),
        ("www.barbaz.net", false),
        ("foobar.com", false),
        ("www.foobar.com", false),
        ("foofoobar.com", true),
        ("baz.com", true),
        ("localhost.net", true),
        ("local.localhost", true),
        ("barbarbaz.net", true),
        ("wildcard.io", true),
        ("nested.wildcard.io", false),
        ("deep.nested.wildcard.io", false),
        ("awildcard.io", true),
        ("192.168.1.1", false),
        ("192.168.1.2", true),
        ("192.168.1.2:81", false),
        ("192.168.1.3", false),
        ("192.168.1.4", true),
        ("10.0.0.2", false),
        ("10.0.0.4", true),
        ("[2001:db8::52:0:1]", false),
        ("[2001:db8::52:0:2]", true),
        ("[2001:db8::52:0:2]:443", false),
        ("[2001:db8::52:0:3]", false),
        ("[2002:db8:a::123]", false),
        ("[fe80::424b:c8be:1643:a1b6]", true),
        ("CORP.example.", false),
        ("r.corp.EXAMPLE", false),
        ("ports.example", true),
        ("ports.example:5000", false),
        ("r.ports.example:5000", false),
        ("m\u{fc}nchen.example", false),
    ] {
        let told = way(&environment, &format!("http://{host}/v2/"));
        assert_eq!(told.starts_with("direct"), !proxied, "{host}: {told}");
    }
}

#[test]
fn an_exemption_says_which_rule_it_is() {
    let environment =
        environment(&[("HTTPS_PROXY", "proxy:1"), ("no_proxy", "a.example,.corp.example,10.0.0.0/8,r.example:5000")]);
    for (url, wanted) in [
        ("https://r.corp.example", "direct: $no_proxy has `.corp.example`"),
        ("https://10.2.3.4", "direct: $no_proxy has `10.0.0.0/8`"),
        ("https://r.example:5000", "direct: $no_proxy has `r.example:5000`"),
        ("https://localhost:5000", "direct: a host of this machine is never reached through a proxy"),
    ] {
        assert_eq!(way(&environment, url), wanted);
    }
    let all = self::environment(&[("HTTPS_PROXY", "proxy:1"), ("NO_PROXY", "a, *")]);
    assert_eq!(way(&all, "https://r.example"), "direct: $NO_PROXY has `*`");
}

#[test]
fn the_login_of_a_proxy_is_decoded_and_never_shown() {
    let proxy = Proxy::parse("HTTPS_PROXY", "http://us%40er:hunter%202%C3%BC@proxy:1").expect("a proxy");
    assert_eq!(proxy.login(), Some(&("us@er".to_owned(), "hunter 2\u{fc}".to_owned())));
    let header = proxy.authorization().expect("a header");
    assert_eq!(header.as_bytes(), format!("Basic {}", STANDARD.encode("us@er:hunter 2\u{fc}")).as_bytes());
    assert!(!format!("{proxy:?} {header:?}").contains("hunter") && !format!("{header:?}").contains("Basic"));
    assert_eq!(Proxy::parse("HTTPS_PROXY", "proxy:1").expect("a proxy").authorization(), None);
}
