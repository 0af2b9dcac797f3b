//! The table: for each problem its kind, its known cause and its remedy.

use hyper::StatusCode;

use crate::problem::Problem;
use crate::problem::body::BodyError;
use crate::problem::cause::KnownCause;
use crate::problem::certificate::CertificatesError;
use crate::problem::content::{ContentFlaw, UnsupportedContent};
use crate::problem::error::Step;
use crate::problem::fault::Fault;
use crate::problem::link::LinkError;
use crate::problem::network::NetworkEvent;
use crate::problem::origin::UntrustedRealm;
use crate::problem::token_service_cause::TokenServiceCause;

impl Problem {
    /// The kind.
    pub(crate) fn fault(&self) -> Fault {
        match self {
            Self::Rejected { .. } => Fault::CredentialsRejected,
            Self::Secret(_) | Self::BadSecret => Fault::SecretUnreadable,
            Self::Denied { .. } | Self::Scope { .. } | Self::TooManyScopes => Fault::Denied,
            Self::Unsupported(_) | Self::Absent(_) | Self::UnsupportedContent(_) => Fault::Unsupported,
            Self::RateLimited(_) => Fault::RateLimited,
            Self::ServerError(_) | Self::NotTheRegistry(_) => Fault::ServerError,
            Self::Network(_) | Self::Proxy(_) | Self::ProxySetting(_) | Self::Storage { .. } => Fault::Unreachable,
            Self::Gone(_) => Fault::Gone,
            Self::Corrupt(_) => Fault::Corrupt,
            Self::Tls(_) | Self::CaFile(_) | Self::ClientCertificate(_) | Self::NoRoots | Self::TlsSetup(_) => {
                Fault::Tls
            }
            Self::Link(LinkError::OtherOrigin)
            | Self::Realm { .. }
            | Self::Redirect { .. }
            | Self::TokenRedirect { .. }
            | Self::PageForPeople { .. }
            | Self::Forbidden(_) => Fault::Untrusted,
            Self::Elsewhere { reply, .. } | Self::TokenService { reply, .. } => match reply.status {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Fault::Denied,
                StatusCode::TOO_MANY_REQUESTS => Fault::RateLimited,
                status if status.is_server_error() => Fault::ServerError,
                _ => Fault::Protocol,
            },
            Self::Unexpected(_)
            | Self::Body(_)
            | Self::Json(_)
            | Self::Listing(_)
            | Self::Link(_)
            | Self::NoToken { .. }
            | Self::ShortLived { .. }
            | Self::NoRealm
            | Self::BadName(_)
            | Self::BadUrl(_)
            | Self::NoWayOn
            | Self::Redirects => Fault::Protocol,
            Self::SeenUrl
            | Self::SeenPage
            | Self::TooManyPages(_)
            | Self::TooManyNames(_)
            | Self::TooManyOnPage(_)
            | Self::TooMuch(_) => Fault::Endless,
        }
    }

    /// The known cause that this problem of a step is a symptom of.
    pub(crate) fn known_cause(&self, step: &Step) -> Option<KnownCause> {
        match self {
            Self::Rejected { cause, .. } | Self::Denied { cause, .. } => match cause {
                Some(cause) => Some(cause.clone()),
                None => matches!(self, Self::Rejected { .. }).then_some(KnownCause::CredentialsRefused),
            },
            Self::Scope { tried, .. } => Some(KnownCause::ScopeUnreadable { tried: tried.clone() }),
            Self::Absent(_) => Some(KnownCause::OwnerMissing),
            Self::Unsupported(_) if *step == Step::Ping => Some(KnownCause::NoRegistry),
            Self::Unsupported(_) if matches!(step, Step::Page(_)) => Some(KnownCause::NoCatalog),
            Self::ShortLived { .. } => Some(KnownCause::TokenLifetime),
            Self::RateLimited(_) => Some(KnownCause::RateLimited),
            Self::Network(problem) => problem.cause(),
            Self::Tls(problem) => Some(KnownCause::Tls(problem.flaw.cause())),
            Self::Proxy(refusal) => Some(KnownCause::Proxy(refusal.cause())),
            Self::ProxySetting(problem) => Some(KnownCause::Proxy(problem.cause())),
            Self::Realm { source: UntrustedRealm::OtherSite, host, .. } => {
                Some(KnownCause::RealmElsewhere { host: host.clone() })
            }
            Self::Realm { source: UntrustedRealm::Plaintext, url, is_own, .. } => {
                Some(TokenServiceCause::Plaintext { url: url.clone(), is_own: *is_own }.into())
            }
            Self::TokenService { reply, .. } if reply.status == StatusCode::TOO_MANY_REQUESTS => {
                Some(KnownCause::RateLimited)
            }
            Self::TokenService { url, reply } if reply.status.is_server_error() => {
                Some(TokenServiceCause::Fails { url: url.clone() }.into())
            }
            Self::TokenService { url, .. } | Self::NoToken { url, .. } | Self::Realm { url, .. } => {
                Some(TokenServiceCause::Wrong { url: url.clone() }.into())
            }
            Self::TokenRedirect { url, to } => {
                Some(TokenServiceCause::Moved { url: url.clone(), to: to.clone() }.into())
            }
            _ => None,
        }
    }

    /// What the operator can do, in one line.
    pub(crate) fn remedy(&self, step: &Step) -> String {
        if let Some(remedy) = self.remedy_with_names(step) {
            return remedy;
        }
        if let Some(cause) = self.known_cause(step) {
            return cause.remedy();
        }
        let words = match self {
            Self::Denied { .. } if step.is_of_one_repository() => {
                "grant this account Read (pull) on the repository, or exclude it; on Quay it may also have been deleted"
            }
            Self::Denied { .. } if *step == Step::Token => {
                "the account may not have such a token: check its permissions"
            }
            Self::Denied { .. } => "check the account's permissions, and that this machine's clock is right",
            Self::BadSecret => "check where the password is kept, and that this user may read it",
            Self::TooManyScopes => "write fewer scopes, or none at all",
            Self::ServerError(_) => "look at the registry's own logs, and run again later",
            Self::Network(problem) if matches!(problem.event, NetworkEvent::Silent(_)) => {
                "raise `timeout`, or lower `page_size`"
            }
            Self::Network(_) => "run again; if it fails again, look at the proxy in front of the registry",
            Self::CaFile(CertificatesError::File(_)) => "check the path of `ca_file`, and that this user may read it",
            Self::CaFile(_) => "`ca_file` must have PEM certificates with their line breaks",
            Self::NoRoots => "install the system's CA certificates, or set `ca_file`",
            Self::TlsSetup(_) => "check `ca_file`",
            Self::Body(BodyError::TooLarge(_)) if matches!(step, Step::Manifest(_) | Step::Config(_)) => {
                "it is larger than registries usually accept: push a smaller one, or exclude the repository"
            }
            Self::Body(BodyError::TooLarge(_)) if matches!(step, Step::Api(_)) => {
                "check `api_url` of `discovery`: no page of this API is as long"
            }
            Self::Body(BodyError::TooLarge(_)) => "lower `page_size`",
            Self::Body(BodyError::Packed(_)) => {
                "check which server answers there: this is not the answer of a registry, and may be an attack"
            }
            Self::Unsupported(_) | Self::Listing(_) if matches!(step, Step::Api(_)) => {
                "check the names under `discovery`, and its `api_url`: the API is not there, or does not show them to this login"
            }
            Self::Link(LinkError::OtherOrigin) if matches!(step, Step::Api(_)) => {
                "if the new address is right, configure it as `api_url` of `discovery`; otherwise this may be an attack"
            }
            Self::Link(LinkError::OtherOrigin) => {
                "if the new address is right, configure it as `url`; otherwise a proxy rewrites it, or this is an attack"
            }
            Self::Unexpected(reply)
                if reply.status == StatusCode::NOT_FOUND && matches!(step, Step::Page(_) | Step::Tags(_)) =>
            {
                "the link to the next page is wrong: a proxy in front of the registry changes or drops its path prefix; \
                 correct the proxy, or set `pagination: repair`"
            }
            Self::Unexpected(reply) if reply.status == StatusCode::BAD_REQUEST && matches!(step, Step::Page(_)) => {
                "on Quay this is a robot account that has been deleted; elsewhere lower `page_size`"
            }
            Self::NotTheRegistry(_) => {
                "look at the proxy or load balancer in front of the registry: it answers in the registry's place, as it does \
                 without a backend; then run again"
            }
            Self::SeenUrl | Self::SeenPage => {
                "the registry's list repeats itself: Quay's does so if a proxy decodes the `next_page` cursor"
            }
            Self::Gone(_) => {
                "nothing to do: it was deleted or has expired since it was listed; if this repeats, run the registry's garbage collection"
            }
            Self::Corrupt(ContentFlaw::Digest { .. }) => {
                "push it again: the registry's storage is damaged, or a proxy changes what passes through it"
            }
            Self::Corrupt(_) => "push it again with a current client; the stored content is not valid",
            Self::UnsupportedContent(UnsupportedContent::NotAccepted(_)) => {
                "nothing to do, if it is not an image: the inventory has images, indexes and artifacts; else push it again with a current client"
            }
            Self::UnsupportedContent(_) => {
                "nothing to do: the inventory has images, indexes and artifacts, by SHA-256 or SHA-512"
            }
            Self::BadName(_) => "correct the name where it is configured",
            Self::TooManyPages(_) | Self::TooManyNames(_) | Self::TooManyOnPage(_) if step.is_of_one_repository() => {
                "delete old tags, or exclude the repository"
            }
            Self::TooMuch(_) => "lower `concurrency`, or leave the repository out with `exclude`",
            Self::TooManyOnPage(_) => {
                "no registry's list is as long: check which server answers there; if the list is right, make the registry return it in pages"
            }
            Self::NoWayOn => "make the registry, or the proxy in front of it, send `Link` headers: one is missing here",
            Self::TooManyPages(_) | Self::TooManyNames(_) => "raise `page_size`, or split the registry",
            _ => "check `url`: the server there does not follow the registry protocol",
        };
        words.into()
    }
}

impl Problem {
    /// A remedy that names a file, a host or a URL.
    fn remedy_with_names(&self, step: &Step) -> Option<String> {
        Some(match self {
            Self::Secret(error) => error.remedy(),
            Self::ClientCertificate(error) => error.remedy(),
            Self::Forbidden(to) => format!(
                "if that host is yours, write `allow_hosts: [{}]`; otherwise the registry, or a proxy before it, reaches \
                 into this network: ask its operator",
                to.listed()
            ),
            Self::Storage { host, .. } => {
                format!("look at the registry's storage settings, at its clock, and at the way from here to {host}")
            }
            _ => return self.remedy_of_redirect(step),
        })
    }

    /// The remedy of a redirect that is not followed, or leads to an error.
    fn remedy_of_redirect(&self, step: &Step) -> Option<String> {
        Some(match self {
            Self::Elsewhere { host, reply } if matches!(reply.status.as_u16(), 401 | 403) => format!(
                "no credentials are sent to another host: if {host} is the registry itself, configure it as `url`; otherwise \
                 let it return what the registry redirects to without a login"
            ),
            Self::Elsewhere { host, .. } => {
                format!("look at {host}, to which the registry redirects, and at the way from here to it")
            }
            Self::Redirect { .. } if matches!(step, Step::Api(_)) => {
                "if the new address is right, configure it as `api_url` of `discovery`; otherwise this may be an attack".into()
            }
            Self::Redirect { to, downgrades: false } if *step == Step::Ping && to.starts_with("http") => {
                let url = to.strip_suffix('/').unwrap_or(to);
                let url = url.strip_suffix("/v2").unwrap_or(url);
                format!(
                    "if the new address is right, configure `url: {url}`; otherwise a proxy rewrites it, or this is an attack"
                )
            }
            Self::Redirect { .. } => {
                "redirects are followed to plain URLs, and never from https to http: let the proxy in front of the registry \
                 set `X-Forwarded-Proto: https`, or correct the registry's external URL; otherwise this may be an attack"
                    .into()
            }
            Self::PageForPeople { .. } => "a proxy in front of the registry asks for a login of its own: let it pass requests \
                 to `/v2/` on to the registry"
                .into(),
            Self::Redirects => "the registry redirects in a circle: look at the proxy in front of it".into(),
            _ => return None,
        })
    }
}
