//! Known causes of failures, recognised by their symptoms, each with one text for the operator: the errors of a run and
//! `check` use the same texts. Recognising a cause changes nothing about what is done.

use crate::problem::login_cause::LoginCause;
use crate::problem::proxy_cause::ProxyCause;
use crate::problem::tls_cause::TlsCause;
use crate::problem::token_service_cause::TokenServiceCause;

/// A known cause. Texts in it have no secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KnownCause {
    /// Basic credentials were sent where a token is wanted.
    BasicOnApi,
    /// On Quay, a user name that is not that of a robot account.
    RobotName,
    /// Wrong password, deleted or disabled account.
    CredentialsRefused,
    /// The configured token was refused.
    TokenRefused,
    /// The token endpoint cannot read any of the scopes.
    ScopeUnreadable {
        /// The scopes, in the order in which they were tried.
        tried: String,
    },
    /// The token is for another service.
    WrongService {
        /// The service that the token is for.
        token: String,
        /// What the registry calls itself.
        registry: String,
    },
    /// The token does not grant what was asked for.
    MissingPermission {
        /// The missing scope, if it is known.
        scope: Option<String>,
    },
    /// The configured scope is not granted.
    ScopeNotGranted {
        /// The scope.
        scope: String,
    },
    /// The account may read no repository.
    NothingListed,
    /// The request was anonymous.
    NoIdentity,
    /// The catalog needs a scope that the account does not get.
    CatalogScope {
        /// The scope.
        scope: String,
    },
    /// Harbor lists its catalog to system accounts only.
    HarborRole,
    /// The registry asks for a login, and none is configured.
    LoginWanted,
    /// A token dies earlier than it says.
    TokenLifetime,
    /// The server's clock differs from ours.
    Clock {
        /// How far the server is ahead, in seconds.
        ahead_s: i64,
    },
    /// The challenge names a token endpoint that credentials may not be sent to.
    RealmElsewhere {
        /// Its host, and its port unless it is the default of the scheme.
        host: String,
    },
    /// The token service that the registry names gives no token, or may not be asked.
    TokenService(TokenServiceCause),
    /// A login was refused for this reason.
    Login(LoginCause),
    /// There is no catalog.
    NoCatalog,
    /// There is no registry under this URL.
    NoRegistry,
    /// There is no trusted TLS connection.
    Tls(TlsCause),
    /// A proxy does not pass requests on.
    Proxy(ProxyCause),
    /// The API that lists the repositories refuses its login.
    ApiLogin {
        /// What the login needs, as in `a token with …`.
        needs: &'static str,
    },
    /// The request that would show whether the login of an API is valid gets no useful answer.
    LoginUnproven,
    /// A configured namespace, group, project or owner does not exist.
    OwnerMissing,
    /// The registry refuses requests because of its rate limit.
    RateLimited,
    /// The host name is unknown.
    UnknownHost,
    /// Nothing accepts a connection.
    Unreachable,
}

impl KnownCause {
    /// A stable code for machines.
    pub const fn id(&self) -> &'static str {
        match self {
            Self::BasicOnApi => "basic_on_api",
            Self::RobotName => "robot_name",
            Self::CredentialsRefused => "credentials_refused",
            Self::TokenRefused => "token_refused",
            Self::ScopeUnreadable { .. } => "scope_unreadable",
            Self::WrongService { .. } => "wrong_service",
            Self::MissingPermission { .. } => "missing_permission",
            Self::ScopeNotGranted { .. } => "scope_not_granted",
            Self::NothingListed => "nothing_listed",
            Self::NoIdentity => "no_identity",
            Self::CatalogScope { .. } => "catalog_scope",
            Self::HarborRole => "harbor_role",
            Self::LoginWanted => "login_wanted",
            Self::TokenLifetime => "token_lifetime",
            Self::Clock { .. } => "clock",
            Self::RealmElsewhere { .. } => "realm_elsewhere",
            Self::TokenService(cause) => cause.id(),
            Self::Login(cause) => cause.id(),
            Self::NoCatalog => "no_catalog",
            Self::NoRegistry => "no_registry",
            Self::Tls(cause) => cause.id(),
            Self::Proxy(cause) => cause.id(),
            Self::ApiLogin { .. } => "api_login",
            Self::LoginUnproven => "login_unproven",
            Self::OwnerMissing => "owner_missing",
            Self::RateLimited => "rate_limited",
            Self::UnknownHost => "unknown_host",
            Self::Unreachable => "unreachable",
        }
    }

    /// The cause, in one line.
    pub fn cause(&self) -> String {
        match self {
            Self::BasicOnApi => "Basic credentials were sent straight to an API that takes tokens only".into(),
            Self::RobotName => "the user name is not that of a robot account".into(),
            Self::CredentialsRefused => "the password is wrong, or the account has been deleted or disabled".into(),
            Self::TokenRefused => "the configured token has expired, was withdrawn, or lacks permission".into(),
            Self::ScopeUnreadable { tried } => format!("the token endpoint cannot read {tried}"),
            Self::WrongService { token, registry } => {
                format!("the token is for `{token}`, the registry calls itself `{registry}`")
            }
            Self::MissingPermission { scope: Some(scope) } => format!("the account may not have `{scope}`"),
            Self::MissingPermission { scope: None } => "the account may not read here".into(),
            Self::ScopeNotGranted { scope } => {
                format!(
                    "the token service gives this account a token without `{scope}`, which is configured as `scope`"
                )
            }
            Self::NothingListed => "the account may read no repository, so the registry lists none to it".into(),
            Self::NoIdentity => "the credentials were not applied, or anonymous callers see no catalog".into(),
            Self::CatalogScope { scope } => format!("the catalog needs `{scope}`, which the token does not have"),
            Self::HarborRole => "Harbor lists its catalog to system accounts only".into(),
            Self::LoginWanted => "the registry wants a login, and none is configured".into(),
            Self::TokenLifetime => "the token dies earlier than its lifetime says".into(),
            Self::Clock { ahead_s } => {
                let way = if *ahead_s < 0 { "behind" } else { "ahead of" };
                format!("the server's clock is {} s {way} ours", ahead_s.unsigned_abs())
            }
            Self::RealmElsewhere { host } => format!("a proxy, or an attack, sends the client to {host} for a token"),
            Self::TokenService(cause) => cause.cause(),
            Self::Login(cause) => cause.cause(),
            Self::NoCatalog => "the registry has no catalog".into(),
            Self::NoRegistry => "there is no registry API under this address".into(),
            Self::Tls(cause) => cause.cause(),
            Self::Proxy(cause) => cause.cause(),
            Self::ApiLogin { .. } => "the API that `discovery` lists with refuses its login".into(),
            Self::LoginUnproven => {
                "the request that shows whether the login of `discovery` is valid has no useful answer".into()
            }
            Self::OwnerMissing => "a name under `discovery` does not exist, or its login may not see it".into(),
            Self::RateLimited => "the registry limits how many requests it accepts".into(),
            Self::UnknownHost => "no address is known for the host name".into(),
            Self::Unreachable => "nothing accepts a connection there".into(),
        }
    }

    /// The remedy, in one line.
    pub fn remedy(&self) -> String {
        match self {
            Self::BasicOnApi => "this registry wants tokens: set `auth: token` (the default)".into(),
            Self::RobotName => "this is not the name of a robot account: did you mean `org+robot`?".into(),
            Self::CredentialsRefused => {
                "rotate the secret, and check that the account is neither deleted nor disabled".into()
            }
            Self::TokenRefused => "make a new token: this one has expired or lacks permission".into(),
            Self::ScopeUnreadable { .. } => {
                "write a scope such as `repository:ORG/REPO:pull`, without commas, wildcards or `registry:catalog:*` \
                 on Quay, or none at all"
                    .into()
            }
            Self::WrongService { token, registry } => format!(
                "the token is for `{token}`, the registry is `{registry}`: leave `service` out, the challenge names it"
            ),
            Self::MissingPermission { scope: Some(scope) } => {
                format!("grant Read to this account: it needs `{scope}`, and its token does not have that")
            }
            Self::MissingPermission { scope: None } => {
                "the token grants nothing: grant Read on the repositories to this account".into()
            }
            Self::ScopeNotGranted { scope } => format!(
                "grant this account what `{scope}` names (Read, to pull), or correct `scope`: the repository may not exist"
            ),
            Self::NothingListed => {
                "grant this account Read (pull) on the repositories; if the registry really is empty, set \
                 `allow_empty: true`"
                    .into()
            }
            Self::NoIdentity => "the credentials were not applied: use an account's token, not an anonymous one".into(),
            Self::CatalogScope { scope } => {
                format!(
                    "the registry wants the scope `{scope}`: the account may not have it; grant it, or list another way"
                )
            }
            Self::HarborRole => {
                "Harbor lists its catalog to system accounts only: use a system robot, or list by its own API".into()
            }
            Self::LoginWanted => "the registry wants a login: configure `auth` with a user name and a password".into(),
            Self::TokenLifetime => {
                "make the token endpoint state the lifetime that the token has; compare the clocks of both servers"
                    .into()
            }
            Self::Clock { .. } => "synchronise this machine's clock and the server's (NTP)".into(),
            Self::RealmElsewhere { host } => {
                let host = if host.contains('[') { format!("\"{host}\"") } else { host.clone() };
                format!(
                    "a proxy, or an attack: only if it is yours, or your provider's by its documentation, and speaks https, \
                     write `realm_hosts: [{host}]`"
                )
            }
            Self::TokenService(cause) => cause.remedy(),
            Self::Login(cause) => cause.remedy(),
            Self::NoCatalog => "the registry has no catalog: list its repositories another way, see `discovery`".into(),
            Self::NoRegistry => "check `url`: there is no registry API under it (`/v2/` is added to it)".into(),
            Self::Tls(cause) => cause.remedy(),
            Self::Proxy(cause) => cause.remedy(),
            Self::ApiLogin { needs } => {
                format!("the API that `discovery` lists with wants {needs}: check the secret that it names")
            }
            Self::LoginUnproven => "make the proxy in front of the API pass the path that the symptom names".into(),
            Self::OwnerMissing => "correct the name under `discovery`, or let its login see what it names".into(),
            Self::RateLimited => {
                "set `requests_per_second` below the registry's limit or lower `concurrency`, or run at a quieter time"
                    .into()
            }
            Self::UnknownHost | Self::Unreachable => {
                "check the host name, the port, the proxy and the firewall; then whether the registry is up".into()
            }
        }
    }
}

impl From<LoginCause> for KnownCause {
    fn from(cause: LoginCause) -> Self {
        Self::Login(cause)
    }
}

impl From<TokenServiceCause> for KnownCause {
    fn from(cause: TokenServiceCause) -> Self {
        Self::TokenService(cause)
    }
}
