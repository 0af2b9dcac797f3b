//! One request in flight. The observer is informed of its end in any case, also if the task that sent it is cancelled.

use chrono::{DateTime, Utc};
use hyper::header::HeaderMap;
use tokio::time::Instant;

use crate::http::call::{HttpAnswer, HttpFailure};
use crate::http::clock_skew::clock_skew;
use crate::http::endpoint::Endpoint;
use crate::http::observer::{EndedRequest, Loss, Observer};
use crate::problem::Problem;
use crate::problem::network::NetworkEvent;

/// A request in flight.
pub(crate) struct InFlightRequest<'m> {
    observer: &'m dyn Observer,
    begun: Instant,
    /// What the observer is given at the end.
    request: EndedRequest,
}

impl<'m> InFlightRequest<'m> {
    pub(crate) fn begin(observer: &'m dyn Observer, endpoint: Endpoint) -> Self {
        observer.begun(endpoint);
        let request = EndedRequest {
            endpoint,
            outcome: Err(Loss::Dropped),
            bytes: 0,
            took: std::time::Duration::ZERO,
            clock_skew: None,
        };
        Self { observer, begun: Instant::now(), request }
    }

    /// Notes the headers of an answer, received at `now`.
    pub(crate) fn answered(&mut self, headers: &HeaderMap, now: DateTime<Utc>) {
        self.request.clock_skew = clock_skew(headers, now);
    }

    /// Notes received bytes of the body.
    pub(crate) fn received(&mut self, bytes: usize) {
        self.request.bytes += bytes as u64;
    }

    /// Informs the observer of the outcome.
    pub(crate) fn end(mut self, outcome: &Result<HttpAnswer, HttpFailure>) {
        self.request.outcome = match outcome {
            Ok(answer) => Ok(answer.status.as_u16()),
            Err(HttpFailure::Broken(problem) | HttpFailure::Unusable(problem)) => Err(loss(problem)),
        };
    }
}

impl Drop for InFlightRequest<'_> {
    fn drop(&mut self) {
        self.request.took = self.begun.elapsed();
        self.observer.ended(&self.request);
    }
}

fn loss(problem: &Problem) -> Loss {
    match problem {
        Problem::Network(problem) if matches!(problem.event, NetworkEvent::Silent(_)) => Loss::Timeout,
        Problem::Network(problem) if problem.is_connect() => Loss::Connect,
        Problem::Tls(_) | Problem::Proxy(_) | Problem::ProxySetting(_) => Loss::Connect,
        _ => Loss::Broken,
    }
}
