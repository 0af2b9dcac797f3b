//! A refusal as an error: whether the credentials are to blame or the permission, as far as the answer tells.

use reqwest::StatusCode;

use super::RegistryError;
use super::client::Inner;
use super::diagnosis::{Hint, said, why_denied};
use super::error::{Problem, Step};
use super::send::{Access, Sent, challenges};

impl Inner {
    /// The error of a refused request. Credentials that were refused are not sent again.
    pub(super) fn refusal(&self, step: &Step, sent: &Sent, access: &Access) -> RegistryError {
        self.tokens.source().note(RegistryError::new(step.clone(), self.denied(step, sent, access)))
    }

    fn denied(&self, step: &Step, sent: &Sent, access: &Access) -> Problem {
        let answer = &sent.answer;
        let token = sent.token.as_ref().map(|token| token.secret.expose());
        let said = said(answer);
        let offered = challenges(answer);
        let unauthorized = answer.status == StatusCode::UNAUTHORIZED;
        let service = match access {
            Access::Token(wanted) => wanted.service.as_deref(),
            _ => None,
        };
        match (why_denied(&said, &offered, token.map(|token| (token, service)), &answer.sent), access) {
            (hint @ Some(Hint::UseTokens | Hint::HarborRole), _) => Problem::Denied { said, hint },
            (_, Access::Anonymous) if !self.login_kind().has_login() => {
                Problem::Denied { said, hint: Some(Hint::NoLogin) }
            }
            (_, Access::Basic) if offered.iter().any(|c| c.is("bearer")) && !offered.iter().any(|c| c.is("basic")) => {
                Problem::Denied { said, hint: Some(Hint::UseTokens) }
            }
            (hint, Access::Basic | Access::Fixed) if !unauthorized => Problem::Denied { said, hint },
            // What has opened one repository is no wrong password for another.
            (hint, Access::Basic) if step.is_of_one_repository() && self.is_proven() => Problem::Denied { said, hint },
            (_, Access::Fixed) if step.is_of_one_repository() && self.is_proven() => {
                Problem::Denied { said, hint: Some(Hint::FixedToken) }
            }
            (_, Access::Basic) => Problem::Rejected { said, hint: None },
            (_, Access::Fixed) => Problem::Rejected { said, hint: Some(Hint::FixedToken) },
            (hint, _) => Problem::Denied { said, hint },
        }
    }
}
