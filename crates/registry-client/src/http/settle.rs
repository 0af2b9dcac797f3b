//! Decides the result of one attempt: its answer, or another attempt after a pause. Informs counters, the observer and
//! the throttle. The decision itself is the retry policy's.

use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::StatusCode;
use tokio::time::Instant;
use tracing::{debug, info};

use crate::clock;
use crate::http::call::{HttpAnswer, HttpCall, HttpFailure, RequestKind};
use crate::http::retry::{Attempt, AttemptOutcome, LimitedAttempt, RetryDecision, asked_pause};
use crate::http::transport::Transport;
use crate::http::turn::Tries;
use crate::problem::Problem;

/// Whether a request is for a token with several scopes. If the token service fails with 500, the scopes may be the
/// reason, and each is requested alone.
fn has_several_scopes(call: &HttpCall<'_>) -> bool {
    call.wants == RequestKind::Token && call.url.query_pairs().filter(|(name, _)| name == "scope").count() > 1
}

impl Transport {
    /// Handles the outcome of the latest attempt. `None` says to send the request again; the pause has passed.
    pub(crate) async fn settle(
        &self,
        call: &HttpCall<'_>,
        tries: &mut Tries,
        outcome: Result<HttpAnswer, HttpFailure>,
    ) -> Result<Option<HttpAnswer>, Problem> {
        let (seen, asked) = match &outcome {
            Ok(answer) => {
                let foreign = self
                    .foreign_not_found
                    .most_attempts(call, answer)
                    .map(|most| AttemptOutcome::NotTheRegistry { most });
                let asked = asked_pause(&answer.headers, clock::now().timestamp());
                (foreign.unwrap_or(AttemptOutcome::Status(answer.status)), asked)
            }
            Err(HttpFailure::Broken(_)) => (AttemptOutcome::Broken, None),
            Err(HttpFailure::Unusable(_)) => (AttemptOutcome::Unusable, None),
        };
        let limited = self.limited(call, tries, seen, asked);
        let number = tries.charged + 1;
        let repeatable = call.form.is_none()
            && call.wants != RequestKind::Head
            && !(matches!(seen, AttemptOutcome::Status(StatusCode::INTERNAL_SERVER_ERROR)) && has_several_scopes(call));
        let attempt = Attempt { number, seen, asked, repeatable, random: fastrand::f64(), limited };
        let decision = self.retry.decide(&attempt);
        self.foreign_not_found.note(&attempt, decision);
        match decision {
            RetryDecision::After { pause, all } => {
                if limited.is_none_or(|limited| !limited.is_free(seen)) {
                    tries.charged = number;
                }
                debug!(?seen, number, pause_ms = pause.as_millis(), "trying again");
                if all && !pause.is_zero() {
                    // All requests to the host wait at the gate, this one included.
                    self.gate.close(call.url, pause);
                } else if !all {
                    tokio::time::sleep(pause).await;
                }
                self.counters.retries.fetch_add(1, Ordering::Relaxed);
                self.observer.retried(call.endpoint);
                Ok(None)
            }
            RetryDecision::Return | RetryDecision::GiveUp => match outcome {
                Ok(answer) => {
                    let without_success =
                        limited.filter(|_| decision == RetryDecision::GiveUp).map(|it| (it.without_success, asked));
                    Ok(Some(HttpAnswer { without_success, ..answer }))
                }
                Err(HttpFailure::Broken(problem) | HttpFailure::Unusable(problem)) => {
                    Err(problem.tried(number, tries.begun.elapsed()))
                }
            },
        }
    }

    /// Informs the counters and the throttle whether the host refused the request because of its limit; returns the
    /// state of that limit.
    fn limited(
        &self,
        call: &HttpCall<'_>,
        tries: &mut Tries,
        seen: AttemptOutcome,
        asked: Option<Duration>,
    ) -> Option<LimitedAttempt> {
        if !seen.is_limit(asked) {
            if matches!(seen, AttemptOutcome::Status(status) if !status.is_server_error()) {
                self.throttles.passed(call.url, call.endpoint);
                self.slowed.taken(call.endpoint);
            }
            return None;
        }
        let now = Instant::now();
        let (since, times) = tries.turned_away.map_or((now, 1), |(since, times)| (since, times + 1));
        tries.turned_away = Some((since, times));
        let of_host = self.throttles.refused(call.url, call.endpoint, tries.sent, &self.retry);
        if self.slowed.refused(call.endpoint, of_host.per_second) {
            let (registry, endpoint) = (&self.registry, call.endpoint.as_str());
            info!(%registry, endpoint, "the registry limits requests: from now on they are sent more slowly");
        }
        let without_success = of_host.without_success.max(now.saturating_duration_since(since));
        Some(LimitedAttempt { times, without_success, others_pass: of_host.others_pass })
    }
}
