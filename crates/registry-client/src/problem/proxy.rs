//! What goes wrong with a proxy: its URL in the environment, and its refusals. No text here has a password.

use std::fmt;
use std::time::Duration;

use crate::problem::proxy_cause::ProxyCause;
use crate::problem::tries::tries_in_words;

/// Why a variable of the environment does not name a proxy. Never has the variable's value, which may have a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the proxy in ${variable} cannot be used: {flaw}")]
pub(crate) struct UnusableProxy {
    /// The variable, e.g. `HTTPS_PROXY`.
    pub(crate) variable: &'static str,
    pub(crate) flaw: ProxyFlaw,
}

/// What is wrong with the URL of a proxy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProxyFlaw {
    /// A blank or a control character, which no URL has.
    #[error("it has a blank or a control character")]
    Blank,
    /// Not a URL.
    #[error("it is not a URL with a host")]
    NotAUrl,
    /// Another scheme.
    #[error("the scheme `{0}` is not supported, only http, https, socks5 and socks5h")]
    Scheme(String),
    /// A percent sign without two digits behind it, in the user name or the password.
    #[error("its user name or its password has a `%` that encodes nothing")]
    Percent,
    /// `HTTP_PROXY` within a CGI program, where a client of the web server sets it (CVE-2016-5385).
    #[error("$REQUEST_METHOD is set, as in a CGI program, in which a header of a request can set this variable")]
    Cgi,
}

impl UnusableProxy {
    /// The known cause.
    pub(crate) fn cause(&self) -> ProxyCause {
        ProxyCause::Setting { variable: self.variable, remedy: self.remedy() }
    }

    fn remedy(&self) -> String {
        let variable = self.variable;
        match self.flaw {
            ProxyFlaw::Cgi => "unset REQUEST_METHOD, or name the proxy in HTTPS_PROXY and use https".into(),
            ProxyFlaw::Scheme(_) => format!("write {variable} as http://HOST:PORT, or unset it"),
            _ => format!(
                "write {variable} as http://HOST:PORT or http://USER:PASSWORD@HOST:PORT, with special characters of \
                 the user name and the password percent-encoded (a blank is %20)"
            ),
        }
    }
}

/// A proxy as messages name it: `the proxy of $HTTPS_PROXY, proxy.example:3128`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProxyName {
    /// The variable of the environment that names the proxy.
    pub(crate) variable: &'static str,
    /// Host and port.
    pub(crate) address: String,
}

impl fmt::Display for ProxyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the proxy of ${}, {}", self.variable, self.address)
    }
}

/// A proxy did not pass a request on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProxyRefusal {
    pub(crate) proxy: ProxyName,
    /// Host and port that the request was for.
    pub(crate) target: String,
    pub(crate) answer: ProxyAnswer,
    /// Whether the proxy was sent a user name and a password.
    pub(crate) has_login: bool,
    /// How often it was tried, and for how long, if more than once.
    pub(crate) tries: Option<(u32, Duration)>,
}

/// What a proxy answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProxyAnswer {
    /// A status, and the text of its page.
    Status { status: u16, text: String },
    /// 407 without an offer of `Basic`: these schemes.
    OtherLogin { schemes: String },
    /// Another answer than HTTP, or none.
    NotHttp,
    /// A refusal in SOCKS, in words.
    Socks(String),
    /// A status with plain http, which may come from the registry as well.
    Unsure { status: u16, text: String },
}

impl ProxyRefusal {
    /// The known cause.
    pub(crate) fn cause(&self) -> ProxyCause {
        let variable = self.proxy.variable;
        match self.answer {
            ProxyAnswer::Status { status: 407, .. } => ProxyCause::Login { variable, sent: self.has_login },
            ProxyAnswer::Unsure { .. } => ProxyCause::OrRegistry { variable },
            ProxyAnswer::NotHttp => ProxyCause::Unreachable { variable },
            _ => ProxyCause::Refused { variable, target: self.target.clone() },
        }
    }

    /// Whether the same request may succeed later: the proxy cannot reach the registry now.
    pub(crate) fn may_pass(&self) -> bool {
        match &self.answer {
            ProxyAnswer::Status { status, .. } | ProxyAnswer::Unsure { status, .. } => {
                matches!(status, 408 | 429 | 500 | 502..=504)
            }
            ProxyAnswer::NotHttp | ProxyAnswer::OtherLogin { .. } | ProxyAnswer::Socks(_) => false,
        }
    }
}

impl fmt::Display for ProxyRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { proxy, target, answer, has_login, tries } = self;
        let said = |text: &str| if text.is_empty() { String::new() } else { format!(" `{text}`") };
        match answer {
            ProxyAnswer::Status { status: 407, text } if *has_login => {
                write!(f, "{proxy}, refused: 407, it does not accept this user name and password{}", said(text))
            }
            ProxyAnswer::Status { status: 407, text } => {
                write!(f, "{proxy}, refused: 407, it wants a user name and a password{}", said(text))
            }
            ProxyAnswer::OtherLogin { schemes } => {
                write!(f, "{proxy}, refused: 407, it wants a login by {schemes}; only Basic is supported")
            }
            ProxyAnswer::Status { status: status @ 500.., text } => {
                write!(f, "{proxy}, does not reach {target}: {status}{}", said(text))
            }
            ProxyAnswer::Status { status, text } => {
                write!(f, "{proxy}, refused: {status}{}; it does not let us through to {target}", said(text))
            }
            ProxyAnswer::NotHttp => write!(f, "{proxy}, does not answer as a proxy"),
            ProxyAnswer::Socks(words) => write!(f, "{proxy}, refused: {words}"),
            ProxyAnswer::Unsure { status, text } => {
                write!(f, "{proxy}, or {target} behind it, answers {status}{}", said(text))
            }
        }?;
        f.write_str(&tries_in_words(*tries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_proxy_its_status_and_what_it_wants() {
        let of = |answer, has_login| {
            let proxy = ProxyName { variable: "HTTPS_PROXY", address: "proxy.example:3128".into() };
            ProxyRefusal { proxy, target: "r.example:443".into(), answer, has_login, tries: None }
        };
        let status = |status, text: &str| ProxyAnswer::Status { status, text: text.into() };
        for (refusal, words, again) in [
            (of(status(407, ""), false), "refused: 407, it wants a user name and a password", false),
            (of(status(407, "no"), true), "refused: 407, it does not accept this user name and password `no`", false),
            (
                of(status(403, "blocked"), false),
                "refused: 403 `blocked`; it does not let us through to r.example:443",
                false,
            ),
            (of(status(502, ""), false), "does not reach r.example:443: 502", true),
            (of(ProxyAnswer::NotHttp, false), "does not answer as a proxy", false),
            (
                of(ProxyAnswer::OtherLogin { schemes: "Negotiate".into() }, false),
                "refused: 407, it wants a login by Negotiate; only Basic is supported",
                false,
            ),
        ] {
            assert_eq!(refusal.to_string(), format!("the proxy of $HTTPS_PROXY, proxy.example:3128, {words}"));
            assert_eq!(refusal.may_pass(), again, "{refusal}");
        }
        let unsure = of(ProxyAnswer::Unsure { status: 403, text: "no".into() }, false);
        let words = "the proxy of $HTTPS_PROXY, proxy.example:3128, or r.example:443 behind it, answers 403 `no`";
        assert_eq!(unsure.to_string(), words);
    }
}
