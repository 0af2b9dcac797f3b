//! Turns a refusal into an error: either the credentials are wrong, or the account has no permission, as far as the
//! answer says.

use hyper::StatusCode;

use crate::access::authorization::Access;
use crate::access::authorized::Authorized;
use crate::access::send::{AuthorizedAnswer, challenges};
use crate::http::error_answer::error_answer;
use crate::problem::Problem;
use crate::problem::cause::KnownCause;
use crate::problem::error::{RegistryError, Step};
use crate::problem::login_cause::LoginCause;
use crate::token::grants::{is_of_another_form, why_denied};
use crate::token::login_refusal::why_refused;

impl Authorized {
    /// The error of a refused request. Credentials that were refused are not sent again.
    pub(crate) fn refusal(&self, step: &Step, sent: &AuthorizedAnswer, access: &Access) -> RegistryError {
        self.tokens.source().note(RegistryError::new(step.clone(), self.denied(step, sent, access)))
    }

    fn denied(&self, step: &Step, sent: &AuthorizedAnswer, access: &Access) -> Problem {
        let answer = &sent.answer;
        let token = sent.token.as_ref().map(|token| token.secret.expose());
        let reply = error_answer(answer);
        let offered = challenges(answer);
        let unauthorized = answer.status == StatusCode::UNAUTHORIZED;
        let service = match access {
            Access::Token(wanted) => wanted.service.as_deref(),
            _ => None,
        };
        let cause = why_denied(&reply, &offered, token.map(|token| (token, service)), &answer.sent);
        // Quay says `Invalid bearer token format` of Basic credentials, and of a token that is not one of its own.
        let cause = cause.filter(|cause| *cause != KnownCause::BasicOnApi || *access == Access::Basic);
        let of_token =
            if is_of_another_form(&reply.text) { LoginCause::TokenForm.into() } else { KnownCause::TokenRefused };
        match (cause, access) {
            (cause @ Some(KnownCause::BasicOnApi | KnownCause::HarborRole), _) => Problem::Denied { reply, cause },
            (_, Access::Anonymous) if !self.login_kind().has_login() => {
                Problem::Denied { reply, cause: Some(KnownCause::LoginWanted) }
            }
            (_, Access::Basic) if offered.iter().any(|c| c.is("bearer")) && !offered.iter().any(|c| c.is("basic")) => {
                Problem::Denied { reply, cause: Some(KnownCause::BasicOnApi) }
            }
            (cause, Access::Basic | Access::Fixed) if !unauthorized => Problem::Denied { reply, cause },
            // A password that another repository has accepted is not wrong.
            (cause, Access::Basic) if step.is_of_one_repository() && self.is_proven() => {
                Problem::Denied { reply, cause }
            }
            (_, Access::Fixed) if step.is_of_one_repository() && self.is_proven() => {
                Problem::Denied { reply, cause: Some(of_token) }
            }
            (_, Access::Basic) => {
                let cause = why_refused(&reply.text, None, false);
                Problem::Rejected { reply, cause }
            }
            (_, Access::Fixed) => Problem::Rejected { reply, cause: Some(of_token) },
            (cause, _) => Problem::Denied { reply, cause },
        }
    }
}
