//! What happens before a request is sent: the bound on requests in flight, the pause of the host, its rate and the
//! configured pace, in this order. Only then the token of the request is looked up: it may have expired during the
//! wait.
//!
//! A request that waits for a token holds nothing that the token request needs: the token is requested with the permit
//! of the request that wants it. Permits are always taken before the lock of a token.

use parking_lot::Mutex;
use url::Url;

use crate::http::call::{HttpAnswer, HttpCall};
use crate::http::endpoint::Endpoint;
use crate::http::transport::Transport;
use crate::http::turn::{Admission, Tries, Turn};
use crate::problem::Problem;

impl Transport {
    /// Waits for a permit to have one more request in flight, without a turn.
    pub(crate) async fn permit(&self) -> Admission {
        let permit = self.permits.clone().acquire_owned().await.expect("never closed");
        Admission { _permit: permit, turn: Mutex::new(Turn::Over) }
    }

    /// Waits until a request may be sent. A request that is sent again goes first.
    pub(crate) async fn admit(&self, url: &Url, endpoint: Endpoint, tries: &Tries) -> Admission {
        loop {
            // Requests that wait at the gate hold no permit.
            self.report_wait(self.gate.pass(url).await);
            let admission = self.permit().await;
            self.wait_for_turn(url, endpoint, tries.turned_away.is_some(), true).await;
            // If the request before was refused meanwhile, this one waits as well.
            if !self.gate.is_closed(url) {
                *admission.turn() = Turn::Whole;
                return admission;
            }
        }
    }

    /// Waits for another turn of an admitted request whose first turn has passed. It goes before requests that have had
    /// none.
    pub(crate) async fn turn(&self, admission: &Admission, url: &Url, endpoint: Endpoint) {
        let mut paced = *admission.turn() != Turn::Pace;
        loop {
            self.report_wait(self.gate.pass(url).await);
            self.wait_for_turn(url, endpoint, true, paced).await;
            if !self.gate.is_closed(url) {
                *admission.turn() = Turn::Whole;
                return;
            }
            paced = true;
        }
    }

    /// Uses the turn; waits for another one if it was used before.
    pub(crate) async fn take_turn(&self, admission: &Admission, url: &Url, endpoint: Endpoint) {
        if *admission.turn() != Turn::Whole {
            self.turn(admission, url, endpoint).await;
        }
        *admission.turn() = Turn::Over;
    }

    /// Sends until there is an answer, as the retry policy says, with a permit of the caller.
    pub(crate) async fn ask(&self, call: &HttpCall<'_>, admission: &Admission) -> Result<HttpAnswer, Problem> {
        let mut tries = Tries::none();
        loop {
            let outcome = self.attempt(call, admission, &mut tries).await;
            if let Some(answer) = self.settle(call, &mut tries, outcome).await? {
                return Ok(answer);
            }
        }
    }

    /// Waits for the host's rate, then for the configured pace, which must hold on the network. Both come after the
    /// permit: otherwise requests whose moment passed while a slow server held all permits would then begin at once.
    async fn wait_for_turn(&self, url: &Url, endpoint: Endpoint, first: bool, paced: bool) {
        self.report_wait(self.throttles.pass(url, endpoint, first).await);
        if let Some(pace) = self.pace.as_ref().filter(|_| paced) {
            pace.pass(first).await;
        }
    }

    fn report_wait(&self, waited: std::time::Duration) {
        if !waited.is_zero() {
            self.observer.waited(waited);
        }
    }
}
