//! Requests and answers as they may be shown: without secrets, tokens and signatures, and without bytes that could
//! change a terminal. Data only.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::token::bearer::LifetimeSource;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExchangePurpose {
    /// `/v2/`
    Ping,
    /// A request for a token.
    Token,
    /// A page of the catalog.
    Catalog,
    /// The tags of a repository.
    Tags,
    /// Any other request, such as one to the registry's own API.
    Other,
}

impl ExchangePurpose {
    /// The stable code: `ping`, `token`, `catalog`, `tags`, `other`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Token => "token",
            Self::Catalog => "catalog",
            Self::Tags => "tags",
            Self::Other => "other",
        }
    }
}

/// One request and its answer.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// What the request was for.
    pub about: ExchangePurpose,
    /// The method.
    pub method: String,
    /// Scheme, host, port and path.
    pub url: String,
    /// The parameters of the query, decoded; values that could be secrets are replaced by `[cut]`.
    pub query: Vec<(String, String)>,
    /// The headers of the request that are on an allow-list; credentials are replaced by `[cut]`.
    pub headers: Vec<(String, String)>,
    /// The fields of the form, decoded; values that could be secrets are replaced by `[cut]`.
    pub form: Vec<(String, String)>,
    /// The answer, or why there is none.
    pub reply: Result<Reply, String>,
    /// Time from sending to the end of the answer.
    pub took: Duration,
    /// When the answer had been received, by our clock.
    pub received_at: DateTime<Utc>,
}

impl Exchange {
    /// The answer; none if there is none.
    pub fn answer(&self) -> Option<&Reply> {
        self.reply.as_ref().ok()
    }

    /// The status of the answer; none if there is no answer.
    pub fn status(&self) -> Option<u16> {
        self.answer().map(|reply| reply.status)
    }

    /// The `Authorization` of the request, without the credentials: `Bearer [cut, 812 bytes]`.
    pub fn authorization(&self) -> Option<&str> {
        self.headers.iter().find(|(name, _)| name == "authorization").map(|(_, value)| value.as_str())
    }

    /// Whether the request carried credentials or a token.
    pub fn is_authorized(&self) -> bool {
        self.authorization().is_some()
    }

    /// All values of a parameter of the query or the form.
    pub fn asked<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.query.iter().chain(&self.form).filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers that are on an allow-list. The fields below are not among them.
    pub headers: Vec<(String, String)>,
    /// The challenges in `WWW-Authenticate`.
    pub offers: Vec<Offer>,
    /// The link to a next page.
    pub link: Option<LinkForm>,
    /// The error text of the server; empty for a success, whose body is data.
    pub said: String,
    /// Length of the body in bytes, decompressed.
    pub bytes: usize,
    /// The token in the answer, if there is one.
    pub token: Option<TokenFacts>,
    /// How many seconds the server's clock is ahead of ours by its `Date`, negative if it is behind; 0 if the time that
    /// the answer took explains the difference. None without `Date`, and if the answer came from a cache.
    pub ahead_s: Option<i64>,
}

impl Reply {
    /// A header, if it is on the allow-list.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first challenge with this scheme.
    pub fn offers(&self, scheme: &str) -> Option<&Offer> {
        self.offers.iter().find(|offer| offer.scheme.eq_ignore_ascii_case(scheme))
    }
}

/// A challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The scheme.
    pub scheme: String,
    /// The known parameters; others by their names only.
    pub params: Vec<(String, String)>,
}

impl Offer {
    /// A parameter.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl std::fmt::Display for Offer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.scheme)?;
        for (at, (name, value)) in self.params.iter().enumerate() {
            write!(f, "{}{name}={value}", if at == 0 { " " } else { ", " })?;
        }
        Ok(())
    }
}

/// The form of a link to a next page. The target itself is not kept: it may have a cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkForm {
    /// Whether the target has a scheme and a host.
    pub absolute: bool,
    /// The names of its parameters.
    pub params: Vec<String>,
}

impl std::fmt::Display for LinkForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let form = if self.absolute { "absolute" } else { "relative" };
        write!(
            f,
            "{form}, with {}",
            if self.params.is_empty() { "no parameter".into() } else { self.params.join(" and ") }
        )
    }
}

/// The answer of a token endpoint, without the token.
#[derive(Clone, Debug)]
pub struct TokenFacts {
    /// The names of the answer's fields.
    pub fields: Vec<String>,
    /// The length of the token.
    pub bytes: usize,
    /// `expires_in` as the server wrote it.
    pub expires_in: Option<String>,
    /// `issued_at` as the server wrote it.
    pub issued_at: Option<String>,
    /// The lifetime that the client uses.
    pub lifetime: Duration,
    /// Where the lifetime was read.
    pub source: LifetimeSource,
    /// The claims of the token, unverified; none if it is not a JWT.
    pub claims: Option<ClaimFacts>,
}

/// The claims of a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimFacts {
    /// The account (`sub`).
    pub sub: Option<String>,
    /// The services that the token is for (`aud`).
    pub aud: Vec<String>,
    /// The grants, as `type:name:actions`; none if the token does not list them.
    pub access: Option<Vec<String>>,
    /// When it was made (`iat`), in seconds since 1970.
    pub iat: Option<i64>,
    /// From when on it is valid (`nbf`), in seconds since 1970.
    pub nbf: Option<i64>,
    /// Until when it is valid (`exp`), in seconds since 1970.
    pub exp: Option<i64>,
    /// Whether the token is anonymous.
    pub anonymous: bool,
}
