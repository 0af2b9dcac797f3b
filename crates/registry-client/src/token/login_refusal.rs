//! Why a token service refused a login, as far as its text and the user name tell. Quay tells many causes apart in its
//! text (auth/credentials.py, auth/oauth.py, data/model/user.py, data/users/). Pure.

use crate::problem::cause::KnownCause;
use crate::problem::login_cause::LoginCause;

/// User names of Quay whose password is a token, with how its texts and pages call that token
/// (`auth/credential_consts.py`).
const TOKEN_NAMES: [(&str, &str); 3] = [
    ("$oauthtoken", "OAuth token of an application"),
    ("$app", "application token of a user"),
    ("$token", "access token of a repository"),
];

/// The cause of a refusal with this text, of a login with this name if it is known. None if neither tells.
pub(crate) fn why_refused(text: &str, username: Option<&str>, is_quay: bool) -> Option<KnownCause> {
    let text = text.to_ascii_lowercase();
    let says = |part: &str| text.contains(part);
    let is_robot = username.is_none_or(|name| name.contains('+'));
    let expired = says("has expired") || says("token expired") || says("expired token");
    // `Too many login attempts.`, with the time of the next one.
    if says("too many") && (says("login") || says("attempt")) {
        return Some(LoginCause::LoginLocked.into());
    }
    // `This user has been disabled. Please contact your administrator.`, `Robot o+r owner o is disabled`,
    // `Namespace o has been disabled.`. Not: `Client login with unencrypted passwords is disabled.`
    if (says("disabled") || says("deactivated")) && !says("unencrypted") && !says("password") {
        return Some(LoginCause::AccountDisabled.into());
    }
    // `Client login with unencrypted passwords is disabled. Please generate an encrypted password …`
    if says("encrypted password") || says("unencrypted") {
        return Some(LoginCause::EncryptedPassword.into());
    }
    if let Some((name, what)) = TOKEN_NAMES.iter().find(|(name, _)| Some(*name) == username) {
        return Some(LoginCause::TokenAsPassword { name, what, expired }.into());
    }
    if expired {
        return Some(LoginCause::SecretExpired.into());
    }
    // `Could not find robot with username: o+r and supplied password.`
    if says("could not find robot") || says("robot does not exist") {
        return Some(if is_robot { LoginCause::RobotUnknown.into() } else { KnownCause::RobotName });
    }
    if says("invalid robot") {
        return Some(KnownCause::RobotName);
    }
    if is_quay && !is_robot {
        // `Invalid Username or Password`: Quay looked for a person.
        let of_person = says("invalid username or password") || says("could not find user");
        return Some(if of_person { LoginCause::UserPassword.into() } else { KnownCause::RobotName });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str, username: &str, is_quay: bool) -> &'static str {
        why_refused(text, Some(username), is_quay).map_or("none", |cause| cause.id())
    }

    /// The texts are those of Quay's source.
    #[test]
    fn each_refusal_of_quay_has_a_cause_of_its_own() {
        for (text, username, wanted) in [
            ("UNAUTHORIZED: OAuth access token has expired", "$oauthtoken", "token_as_password"),
            ("UNAUTHORIZED: OAuth access token could not be validated", "$oauthtoken", "token_as_password"),
            ("UNAUTHORIZED: Could not find robot", "$oauthtoken", "token_as_password"),
            ("UNAUTHORIZED: Invalid token", "$app", "token_as_password"),
            ("", "$token", "token_as_password"),
            (
                "UNAUTHORIZED: Could not find robot with username: org+gone and supplied password.",
                "org+gone",
                "robot_unknown",
            ),
            ("could not find robot with username: org-robot", "org-robot", "robot_name"),
            ("Invalid robot username", "org+", "robot_name"),
            ("UNAUTHORIZED: Invalid Username or Password", "alice", "user_password"),
            ("Could not find user", "alice", "user_password"),
            ("UNAUTHORIZED", "alice", "robot_name"),
            (
                "Client login with unencrypted passwords is disabled. Please generate an encrypted password in the user \
                 admin panel for use here.",
                "alice",
                "encrypted_password",
            ),
            ("You must use an encrypted password", "alice", "encrypted_password"),
            ("Too many login attempts.", "alice", "login_locked"),
            ("TOO MANY LOGIN ATTEMPTS", "org+robot", "login_locked"),
            ("This user has been disabled. Please contact your administrator.", "$app", "account_disabled"),
            ("Robot org+robot owner org is disabled", "org+robot", "account_disabled"),
            ("Signature has expired", "org+robot", "secret_expired"),
            ("Signature has expired", "alice", "secret_expired"),
            ("UNAUTHORIZED", "org+robot", "none"),
        ] {
            assert_eq!(id(text, username, true), wanted, "{text}, {username}");
        }
    }

    #[test]
    fn elsewhere_a_name_tells_nothing_and_a_clear_text_counts() {
        assert_eq!(id("unauthorized", "alice", false), "none");
        assert_eq!(id("Invalid Username or Password", "alice", false), "none");
        assert_eq!(id("the token has expired", "alice", false), "secret_expired");
        assert_eq!(id("account is disabled", "alice", false), "account_disabled");
    }

    #[test]
    fn no_remedy_of_an_unknown_robot_tells_to_rotate_its_secret() {
        for (text, username) in [("could not find robot", "o+r"), ("Invalid robot username", "o+r")] {
            let remedy = why_refused(text, Some(username), true).expect("a cause").remedy();
            assert!(!remedy.contains("rotate"), "{remedy}");
        }
    }
}
