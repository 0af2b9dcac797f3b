//! The status page: one document without scripts. First what needs attention, with what to do about it; then every registry. The
//! template escapes all text. What a person opens stands in the address, so that it is still open when the browser loads the
//! page again.

mod alert_thresholds;
mod attention;
mod entry;
mod notices;
mod table;
mod words;

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use super::backend::WebBackend;
use super::response;
use crate::status::{Activity, RegistryStatus, Status};
use attention::AttentionLevel;
use entry::{PageEntry, colour, sign};
use words::{counted, when};

const STYLE: &str = include_str!("style.css");
/// Seconds after which the browser loads the page again.
const REFRESH: u32 = 30;

/// The security policy: allows the style and the icon of this page, and nothing else.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// The parts of the page that a person has opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct OpenedParts {
    /// The list of the registries by their names.
    names: bool,
}

impl OpenedParts {
    /// The parts that the query of the address names: `open=names`.
    pub(super) fn of(query: Option<&str>) -> Self {
        Self { names: query.unwrap_or_default().split('&').any(|pair| pair == "open=names") }
    }
}

/// Appends the page to `text`. Returns its content type and its security policy.
pub(super) fn of(
    backend: &dyn WebBackend,
    opened: OpenedParts,
    text: &mut String,
) -> (HeaderValue, Option<HeaderValue>) {
    text.push_str(&render(&backend.status(), opened));
    (response::HTML, Some(POLICY.clone()))
}

pub(super) fn render(status: &Status, opened: OpenedParts) -> String {
    let of_daemon = attention::of_daemon(status);
    let with_items = |registry| PageEntry { registry, items: attention::of_registry(registry, status) };
    let mut entries: Vec<_> = status.registries.iter().map(with_items).collect();
    // The worst first, then the order of the configuration.
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.level()));
    let unwell = entries.iter().take_while(|entry| entry.level().is_some()).count();
    let worst = of_daemon.iter().map(|item| item.level).chain(entries.first().and_then(PageEntry::level)).max();
    let waiting = entries[unwell..].iter().filter(|entry| entry.registry.is_new()).count();
    let headline = headline(status, !of_daemon.is_empty(), unwell, waiting);
    let has_any_result = waiting < status.registries.len();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="refresh" content=(REFRESH);
                meta name="robots" content="noindex";
                title { (headline) " · stocktake" }
                link rel="icon" href=(icon(worst));
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    p.name { "stocktake" }
                    h1 {
                        @if has_any_result || worst.is_some() {
                            span.sign.(colour(worst)) aria-hidden="true" { (sign(worst)) }
                        }
                        (headline)
                    }
                    (below_headline(status))
                }
                main {
                    (notices::of(&of_daemon, &entries[..unwell], status))
                    (table::of(&entries, opened, status))
                }
                (footer())
            }
        }
    };
    page.into_string()
}

/// `waiting` are those that are well as far as anybody knows: their first run is still to come, or in progress.
fn headline(status: &Status, is_daemon_unwell: bool, unwell: usize, waiting: usize) -> String {
    let all = status.registries.len();
    let registries = match (unwell, all) {
        (_, 0) => "There are no registries".to_owned(),
        (0, 1) if waiting == 1 => "The registry has not completed a run yet".to_owned(),
        (0, 1) => "The registry is well".to_owned(),
        (0, _) if waiting == all => format!("None of {all} registries has completed a run yet"),
        (0, _) if waiting > 0 => {
            let are = if all - waiting == 1 { "is" } else { "are" };
            let have = if waiting == 1 { "has" } else { "have" };
            format!("{} of {all} registries {are} well, {waiting} {have} not completed a run yet", all - waiting)
        }
        (0, _) => format!("All {all} registries are well"),
        (1, 1) => "The registry needs attention".to_owned(),
        (1, _) => format!("1 of {all} registries needs attention"),
        _ => format!("{unwell} of {all} registries need attention"),
    };
    match (is_daemon_unwell, unwell, all) {
        (false, ..) => registries,
        (true, 0, _) => "The daemon needs attention".to_owned(),
        (true, _, 1) => "The daemon and the registry need attention".to_owned(),
        (true, ..) => format!("The daemon and {unwell} of {all} registries need attention"),
    }
}

/// The icon of the tab: the state in shape as well as in colour.
fn icon(worst: Option<AttentionLevel>) -> &'static str {
    match worst {
        None => {
            "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Ccircle cx='8' cy='8' \
             r='6' fill='%232e9e5b'/%3E%3C/svg%3E"
        }
        Some(AttentionLevel::Warning) => {
            "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath d='M8 1l7 \
             13H1z' fill='%23d68f1f'/%3E%3C/svg%3E"
        }
        Some(AttentionLevel::Critical) => {
            "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath d='M2 2h12v12H2z' \
             fill='%23d13b30'/%3E%3C/svg%3E"
        }
    }
}

/// The runs in progress, the next run, and the time of the page.
fn below_headline(status: &Status) -> Markup {
    let is_running = |registry: &&RegistryStatus| matches!(registry.activity, Activity::Running { .. });
    let running = status.registries.iter().filter(is_running).count();
    let queued = status.registries.iter().filter(|registry| registry.activity == Activity::Queued).count();
    let due = |registry: &RegistryStatus| registry.schedule.as_ref().and_then(|schedule| schedule.next);
    let next = status.registries.iter().filter(|registry| !registry.is_suspended()).filter_map(due).min();
    let is_by_hand = !status.registries.is_empty() && status.registries.iter().all(|one| one.schedule.is_none());
    html! {
        p {
            @if status.is_stopping {
                strong.warn { "Stopping: no run begins any more." } " "
            }
            @if running > 0 { (counted(running as u64, "run", "runs")) " in progress" } @else { "No run in progress" }
            @if queued > 0 { ", " (queued) " waiting" }
            @if let Some(next) = next.filter(|_| !status.is_stopping) { "; next one " (when(status.now, next)) }
            @if is_by_hand { "; no registry has a schedule, so that runs begin only when somebody asks for them" }
            ". As of " (when_exactly(status)) "."
        }
        p {
            "Up for " (words::duration((status.now - status.started_at).to_std().unwrap_or_default())) "; " code { (status.configuration.file) } " loaded "
            (when(status.now, status.configuration.loaded_at)) "."
        }
    }
}

fn when_exactly(status: &Status) -> Markup {
    let exact = status.now.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    html! { time datetime=(exact) { (status.now.format("%Y-%m-%d %H:%M:%S")) " UTC" } }
}

fn footer() -> Markup {
    html! {
        footer {
            p { a href="/metrics" { "Metrics" } a href="/healthz" { "Health" } a href="/readyz" { "Readiness" } a href="/runbooks/" { "Runbooks" } }
            p { "stocktake " (env!("CARGO_PKG_VERSION")) ". This page reloads every " (REFRESH) " seconds." }
        }
    }
}
