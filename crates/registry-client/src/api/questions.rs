//! Questions to an API that are answered by a status: whether its login is accepted, and whether an owner of
//! repositories exists. This module does not know which questions an API can answer; its callers do.

use hyper::StatusCode;
use serde::de::IgnoredAny;
use url::Url;

use crate::api::{ApiLogin, ApiSession};
use crate::http::call::HttpAnswer;
use crate::http::error_answer::error_answer;
use crate::model::page::ListNote;
use crate::problem::cause::KnownCause;
use crate::problem::error::{RegistryError, Step};
use crate::problem::{ErrorAnswer, Problem};

/// A question that shows whether a login is accepted. 200 with JSON says that it is, 401 that it is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The URL to ask for.
    pub url: Url,
    /// Further statuses that only an accepted login gets.
    pub alive: &'static [u16],
    /// Further statuses that say the login is refused.
    pub dead: &'static [u16],
}

/// How an API shows that an owner of repositories does not exist, or is hidden from the login.
#[derive(Debug)]
pub struct Absence {
    /// The error to report, with the list of the owner's repositories as its step.
    pub error: RegistryError,
    /// Whether the API itself said so for each place, in JSON. A proxy's error page is not JSON.
    pub is_certain: bool,
}

impl ApiSession<'_> {
    /// Checks that the API accepts the configured login, before its lists are used: many APIs treat a login that they
    /// do not know as no login, and answer with what everyone may see. Each question is asked in turn until one of them
    /// gets the answer of an accepted login. Returns a shortfall if no question can show it.
    ///
    /// # Errors
    /// [`Fault::CredentialsRejected`](crate::Fault::CredentialsRejected) if the login is refused, and any error that
    /// keeps the API from answering.
    pub async fn prove(&mut self, proofs: &[Proof]) -> Result<Option<ListNote>, RegistryError> {
        if self.api.login == ApiLogin::Anonymous {
            return Ok(None);
        }
        let step = Step::Api("login of the API".into());
        let (mut refused, mut unclear) = (None, None);
        for Proof { url, alive, dead } in proofs {
            let answer = self.answer(url, &step).await?;
            let is_one_of = |statuses: &[u16]| statuses.contains(&answer.status.as_u16());
            if answer.status == StatusCode::OK && is_json(&answer) || is_one_of(alive) {
                return Ok(None);
            }
            if answer.status == StatusCode::UNAUTHORIZED || is_one_of(dead) {
                refused.get_or_insert_with(|| error_answer(&answer));
            } else if answer.status.is_redirection() || is_no_answer(&answer) {
                return Err(self.refusal(&step, url, &answer));
            } else {
                unclear.get_or_insert_with(|| (url.path().to_owned(), error_answer(&answer)));
            }
        }
        if let Some(reply) = refused {
            return Err(RegistryError::new(
                step,
                Problem::Rejected { reply, cause: Some(KnownCause::ApiLogin { needs: self.api.needs }) },
            ));
        }
        Ok(unclear.map(|(path, reply)| unproven(&path, &reply)))
    }

    /// Whether an owner exists at one of these places, which are all that it can have; if at none, how the API says so.
    /// `what` names the list of its repositories, for errors. Some APIs answer 403 for what does not exist.
    ///
    /// # Errors
    /// Any error that keeps the API from answering.
    pub async fn absence(&mut self, urls: &[Url], hides: bool, what: &str) -> Result<Option<Absence>, RegistryError> {
        let step = Step::Api(what.into());
        let (mut absent, mut is_certain) = (None, true);
        for url in urls {
            let answer = self.answer(url, &step).await?;
            if is_no_answer(&answer) {
                return Err(self.refusal(&step, url, &answer));
            }
            if answer.status.is_success() {
                return Ok(None);
            }
            let says_no = answer.status == StatusCode::NOT_FOUND || hides && answer.status == StatusCode::FORBIDDEN;
            is_certain &= says_no && is_json(&answer);
            if says_no {
                absent.get_or_insert_with(|| error_answer(&answer));
            }
        }
        Ok(absent.map(|reply| Absence { error: RegistryError::new(step, Problem::Absent(reply)), is_certain }))
    }
}

/// Whether the server did not process the request after all retries.
fn is_no_answer(answer: &HttpAnswer) -> bool {
    answer.status.is_server_error() || answer.status == StatusCode::TOO_MANY_REQUESTS
}

fn is_json(answer: &HttpAnswer) -> bool {
    serde_json::from_slice::<IgnoredAny>(&answer.body).is_ok()
}

fn unproven(path: &str, reply: &ErrorAnswer) -> ListNote {
    let message = format!(
        "it is not known whether the login of the API is valid ({path} answers {reply}): the API may list only what \
         everyone may see"
    );
    ListNote { code: "unproven", message }
}
