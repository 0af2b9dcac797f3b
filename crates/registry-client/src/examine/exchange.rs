//! What went over the wire, as it may be shown: no secret, no token, no signature, and no byte of a server's that could
//! upset a terminal. Data only.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::token::bearer::LifetimeSource;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExchangePurpose {
    /// `/v2/`
    Ping,
    /// A token.
    Token,
    /// A page of the catalog.
    Catalog,
    /// A repository's tags.
    Tags,
    /// Anything else, such as the registry's own API.
    Other,
}

impl ExchangePurpose {
    /// A stable word: `ping`, `token`, `catalog`, `tags`, `other`.
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

/// One request and what came of it.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// What it was for.
    pub about: ExchangePurpose,
    /// The method.
    pub method: String,
    /// Scheme, host, port and path.
    pub url: String,
    /// The parameters of the query, decoded; what could be a secret is cut.
    pub query: Vec<(String, String)>,
    /// The headers of the request, by an allow-list; credentials are cut.
    pub headers: Vec<(String, String)>,
    /// The fields of the form, decoded; what could be a secret is cut.
    pub form: Vec<(String, String)>,
    /// The answer, or why there is none.
    pub reply: Result<Reply, String>,
    /// From sending to the end of the answer.
    pub took: Duration,
    /// When it had been received, by our clock.
    pub received_at: DateTime<Utc>,
}

impl Exchange {
    /// The answer, where there is one.
    pub fn answer(&self) -> Option<&Reply> {
        self.reply.as_ref().ok()
    }

    /// The status of the answer, where there is one.
    pub fn status(&self) -> Option<u16> {
        self.answer().map(|reply| reply.status)
    }

    /// What the request was authorized with, cut: `Bearer [cut, 812 bytes]`.
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
    /// The headers, by an allow-list; those below are told apart.
    pub headers: Vec<(String, String)>,
    /// What it offers in `WWW-Authenticate`.
    pub offers: Vec<Offer>,
    /// How it announces a next page.
    pub link: Option<LinkForm>,
    /// What the server said; empty for an answer of success, which holds data.
    pub said: String,
    /// Length of the body, unpacked.
    pub bytes: usize,
    /// The token in it, where there is one.
    pub token: Option<TokenFacts>,
    /// How many seconds the server's clock is ahead of ours by its `Date`, negative where it is behind; 0 while the time
    /// the answer took explains it. None without a date, and where the answer came out of a cache.
    pub ahead_s: Option<i64>,
}

impl Reply {
    /// A header, if it is on the allow-list.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first offer of this scheme.
    pub fn offers(&self, scheme: &str) -> Option<&Offer> {
        self.offers.iter().find(|offer| offer.scheme.eq_ignore_ascii_case(scheme))
    }
}

/// A challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The scheme.
    pub scheme: String,
    /// The parameters that we know; others by their names alone.
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

/// How a next page is announced; not where it is: a cursor is nobody's business.
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

/// What a token endpoint gave, without the token.
#[derive(Clone, Debug)]
pub struct TokenFacts {
    /// The names of the answer's fields.
    pub fields: Vec<String>,
    /// The length of the token.
    pub bytes: usize,
    /// `expires_in` as it was written.
    pub expires_in: Option<String>,
    /// `issued_at` as it was written.
    pub issued_at: Option<String>,
    /// How long we take it to live.
    pub lifetime: Duration,
    /// Who says so.
    pub source: LifetimeSource,
    /// What it says about itself, unverified; none where it is no JWT.
    pub claims: Option<ClaimFacts>,
}

/// The claims of a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimFacts {
    /// Whom it speaks for.
    pub sub: Option<String>,
    /// For whom it is.
    pub aud: Vec<String>,
    /// What it grants, as `type:name:actions`; none where it does not list that.
    pub access: Option<Vec<String>>,
    /// When it was made, in seconds since 1970.
    pub iat: Option<i64>,
    /// From when on it is good.
    pub nbf: Option<i64>,
    /// Until when it is good.
    pub exp: Option<i64>,
    /// Whether it speaks for nobody.
    pub anonymous: bool,
}
