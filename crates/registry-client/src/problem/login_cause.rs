//! Why a login was refused, as far as the server says so. A part of [`crate::problem::cause`].

/// Why a login was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginCause {
    /// The user name is one whose password is a token, on Quay, and the token is refused.
    TokenAsPassword {
        /// The user name, such as `$oauthtoken`.
        name: &'static str,
        /// What the token is.
        what: &'static str,
        /// Whether the server says that it has expired.
        expired: bool,
    },
    /// No robot account has this name.
    RobotUnknown,
    /// A person's user name or password is wrong.
    UserPassword,
    /// The registry accepts no plain password of a person.
    EncryptedPassword,
    /// The secret has expired.
    SecretExpired,
    /// The account, or its owner, is disabled.
    AccountDisabled,
    /// Too many logins have failed, so the registry accepts none for a time.
    LoginLocked,
    /// The configured token is not one as the registry issues them.
    TokenForm,
}

impl LoginCause {
    /// A stable code for machines.
    pub(crate) const fn id(&self) -> &'static str {
        match self {
            Self::TokenAsPassword { .. } => "token_as_password",
            Self::RobotUnknown => "robot_unknown",
            Self::UserPassword => "user_password",
            Self::EncryptedPassword => "encrypted_password",
            Self::SecretExpired => "secret_expired",
            Self::AccountDisabled => "account_disabled",
            Self::LoginLocked => "login_locked",
            Self::TokenForm => "token_form",
        }
    }

    /// The cause, in one line.
    pub(crate) fn cause(&self) -> String {
        match self {
            Self::TokenAsPassword { name, what, expired: true } => {
                format!("the {what}, which is the password of `{name}`, has expired")
            }
            Self::TokenAsPassword { name, what, .. } => {
                format!("the password of `{name}` is not a valid {what}")
            }
            Self::RobotUnknown => "no robot account has this name and this token".into(),
            Self::UserPassword => "the user name or the password of a person is wrong".into(),
            Self::EncryptedPassword => "the registry does not accept the plain password of a person".into(),
            Self::SecretExpired => "the secret has expired".into(),
            Self::AccountDisabled => "the account, or the organization that owns it, is disabled".into(),
            Self::LoginLocked => "too many logins have failed, so the registry accepts none for a while".into(),
            Self::TokenForm => "the configured token is not one that this registry issues for `/v2/`".into(),
        }
    }

    /// The remedy, in one line.
    pub(crate) fn remedy(&self) -> String {
        match self {
            Self::TokenAsPassword { name: "$oauthtoken", .. } => {
                "generate a new token for the application in Quay (organization, Applications, Generate Token) and store it \
                 as the password; or use a robot account, `org+robot`, whose token does not expire"
                    .into()
            }
            Self::TokenAsPassword { name: "$app", .. } => {
                "create a new application token in Quay (account settings) and store it as the password; or use a robot \
                 account, `org+robot`"
                    .into()
            }
            Self::TokenAsPassword { .. } => {
                "use a robot account, `org+robot`, and its token: access tokens of single repositories are deprecated".into()
            }
            Self::RobotUnknown => {
                "check the name of the robot account (`org+robot`, in lower case) and that it has not been deleted; then \
                 copy its token from the registry once more"
                    .into()
            }
            Self::UserPassword => {
                "correct the user name or the password; if this is a robot account, its name is `org+robot`".into()
            }
            Self::EncryptedPassword => {
                "generate an encrypted password in the registry's user settings and store that one, or use a robot account, \
                 `org+robot`"
                    .into()
            }
            Self::SecretExpired => "make a new password or token for this account, and store it".into(),
            Self::AccountDisabled => {
                "ask the registry's administrator to enable the account and its organization, or use another account".into()
            }
            Self::LoginLocked => {
                "wait until the registry accepts logins again, find what else logs in with this name and a wrong password, \
                 and check the password"
                    .into()
            }
            Self::TokenForm => {
                "write a token that the registry's token service has issued, or use `auth: token`; an OAuth token of Quay is \
                 the password of the user name `$oauthtoken`"
                    .into()
            }
        }
    }
}
