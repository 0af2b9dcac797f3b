//! Questions to an API whose answer is a status: whether its login is alive, and whether an owner of repositories is
//! there. It does not know which questions an API answers: `discovery` does.

use reqwest::StatusCode;
use serde::de::IgnoredAny;
use url::Url;

use crate::api::{ApiLogin, ApiSession};
use crate::http::call::HttpAnswer;
use crate::http::said::said;
use crate::model::page::ListNote;
use crate::problem::cause::KnownCause;
use crate::problem::error::{RegistryError, Step};
use crate::problem::{ErrorAnswer, Problem};

/// A question that tells a live login from a dead one. 200 with JSON is a live one's answer, 401 a dead one's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// What to ask for.
    pub url: Url,
    /// Further statuses that a live login alone gets.
    pub alive: &'static [u16],
    /// Further statuses that say the login is dead.
    pub dead: &'static [u16],
}

/// An owner of repositories that is not there, or is hidden from the login.
#[derive(Debug)]
pub struct Absence {
    /// Tells it with the list that there is nothing in.
    pub error: RegistryError,
    /// Whether the API itself says so of each place: a proxy's page for what it cannot find is no JSON.
    pub is_certain: bool,
}

impl ApiSession<'_> {
    /// Shows that the configured login is alive, before what it lists is believed: many APIs take a login that they do
    /// not know for none, and answer with what anybody may see. Each question is asked in turn until one is answered by
    /// a live login's answer. A shortfall if none can tell.
    ///
    /// # Errors
    /// [`crate::problem::fault::Fault::CredentialsRejected`] for a dead login, and whatever else keeps the API from answering.
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
                refused.get_or_insert_with(|| said(&answer));
            } else if answer.status.is_redirection() || is_no_answer(&answer) {
                return Err(self.refusal(&step, url, &answer));
            } else {
                unclear.get_or_insert_with(|| (url.path().to_owned(), said(&answer)));
            }
        }
        if let Some(said) = refused {
            return Err(RegistryError::new(
                step,
                Problem::Rejected { said, cause: Some(KnownCause::ApiLogin { needs: self.api.needs }) },
            ));
        }
        Ok(unclear.map(|(path, said)| unproven(&path, &said)))
    }

    /// Whether an owner is at one of these places, which are all where it can be, and if at none, how that is said. `what`
    /// is the list of its repositories. Some APIs hide what is not there behind 403.
    ///
    /// # Errors
    /// Whatever keeps the API from answering.
    pub async fn absence(&mut self, urls: &[Url], hides: bool, what: &str) -> Result<Option<Absence>, RegistryError> {
        let step = Step::Api(what.into());
        let (mut told, mut is_certain) = (None, true);
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
                told.get_or_insert_with(|| said(&answer));
            }
        }
        Ok(told.map(|said| Absence { error: RegistryError::new(step, Problem::Absent(said)), is_certain }))
    }
}

/// Whether the server did not get to answering, however often it was asked.
fn is_no_answer(answer: &HttpAnswer) -> bool {
    answer.status.is_server_error() || answer.status == StatusCode::TOO_MANY_REQUESTS
}

fn is_json(answer: &HttpAnswer) -> bool {
    serde_json::from_slice::<IgnoredAny>(&answer.body).is_ok()
}

fn unproven(path: &str, said: &ErrorAnswer) -> ListNote {
    let message = format!(
        "whether the login of the API is alive cannot be told ({path} answers {said}): what it lists may be what \
         anybody may see"
    );
    ListNote { code: "unproven", message }
}
