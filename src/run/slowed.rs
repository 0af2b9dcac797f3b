//! The note in a run that its registry limits the rate of requests.

use stocktake_sink::RunError;

use crate::registry::Client;

/// The code of what [`slowed`] tells.
pub(super) const SLOWED: &str = "slowed_down";

/// What the walk settled at where the registry limits how often it may be asked.
pub(super) fn slowed(client: &Client) -> Option<RunError> {
    let met = client.slowed();
    let slowest = met.iter().map(|slowed| slowed.per_second).reduce(f64::min)?;
    let refused: u64 = met.iter().map(|slowed| slowed.refused).sum();
    let kinds: Vec<_> =
        met.iter().map(|slowed| format!("{:.1} a second ({})", slowed.per_second, slowed.endpoint.as_str())).collect();
    let message = format!(
        "the registry limits the rate of requests: it answered {refused} of them with 429 or 503. They were then sent at the \
         rate that it accepted, {}; to stay below the limit from the start, set \
         `requests_per_second: {:.0}`",
        kinds.join(", "),
        slowest.floor().max(1.0)
    );
    Some(RunError { count: i64::try_from(refused).unwrap_or(i64::MAX), ..RunError::of_run(SLOWED, message) })
}
