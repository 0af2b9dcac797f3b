//! Before a request is sent: the bound on requests in flight, the gate of the host, its rate and its pace, in this order.
//! A request that has all of them is admitted, and its token is looked up only then: it may have died in the line.
//!
//! A request that waits for a token holds nothing that the request for the token needs. A token is asked for with the permit of the request
//! that wants it, and permits are always taken before the lock of a token.

use parking_lot::Mutex;
use url::Url;

use crate::http::call::{HttpAnswer, HttpCall};
use crate::http::endpoint::Endpoint;
use crate::http::transport::Transport;
use crate::http::turn::{Admission, Tries, Turn};
use crate::problem::Problem;

impl Transport {
    /// Waits for the permission to have one more request in flight, without its turn.
    pub(crate) async fn permit(&self) -> Admission {
        let permit = self.permits.clone().acquire_owned().await.expect("never closed");
        Admission { _permit: permit, turn: Mutex::new(Turn::Over) }
    }

    /// Waits until a request may be sent. What is sent again goes first.
    pub(crate) async fn admit(&self, url: &Url, endpoint: Endpoint, tries: &Tries) -> Admission {
        loop {
            // Those who are told to go away hold no permit meanwhile.
            self.tell_of_waiting(self.gate.pass(url).await);
            let admission = self.permit().await;
            self.line_up(url, endpoint, tries.turned_away.is_some(), true).await;
            // The request before may have been turned away: this one is not to be turned away as well.
            if !self.gate.is_closed(url) {
                *admission.turn() = Turn::Whole;
                return admission;
            }
        }
    }

    /// Waits for the turn of an admitted request once more, after its first has passed; before those who have had none.
    pub(crate) async fn turn(&self, admission: &Admission, url: &Url, endpoint: Endpoint) {
        let mut paced = *admission.turn() != Turn::Pace;
        loop {
            self.tell_of_waiting(self.gate.pass(url).await);
            self.line_up(url, endpoint, true, paced).await;
            if !self.gate.is_closed(url) {
                *admission.turn() = Turn::Whole;
                return;
            }
            paced = true;
        }
    }

    /// Takes the turn; waits for one if it has been taken before.
    pub(crate) async fn take_turn(&self, admission: &Admission, url: &Url, endpoint: Endpoint) {
        if *admission.turn() != Turn::Whole {
            self.turn(admission, url, endpoint).await;
        }
        *admission.turn() = Turn::Over;
    }

    /// Sends until there is an answer, as the retry policy says, with a permission that the caller has.
    pub(crate) async fn ask(&self, call: &HttpCall<'_>, admission: &Admission) -> Result<HttpAnswer, Problem> {
        let mut tries = Tries::none();
        loop {
            let outcome = self.attempt(call, admission, &mut tries).await;
            if let Some(answer) = self.settle(call, &mut tries, outcome).await? {
                return Ok(answer);
            }
        }
    }

    /// The host's rate, and last what is configured, which is to hold at the wire. After the permit: requests that had
    /// their moments while a slow server held the permits would then begin all at once.
    async fn line_up(&self, url: &Url, endpoint: Endpoint, first: bool, paced: bool) {
        self.tell_of_waiting(self.throttles.pass(url, endpoint, first).await);
        if let Some(pace) = self.pace.as_ref().filter(|_| paced) {
            pace.pass(first).await;
        }
    }

    fn tell_of_waiting(&self, waited: std::time::Duration) {
        if !waited.is_zero() {
            self.observer.waited(waited);
        }
    }
}
