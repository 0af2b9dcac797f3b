//! The table of all registries; on a narrow screen, a card for each. Browsers drop the roles of table elements that are shown in
//! another way, so the roles are stated.

use chrono::{DateTime, Utc};
use maud::{Markup, html};
use stocktake_sink::{Trigger, Verdict};

use super::OpenedParts;
use super::attention::AttentionLevel;
use super::entry::{MANY, PageEntry, anchor};
use super::notices;
use super::words::{absolute, both, counted, duration, number, when};
use crate::state::{History, LastRun, Refusals, SinkHistory};
use crate::status::{Activity, RegistryStatus, Status, TokenStatus};

pub(super) fn of(entries: &[PageEntry<'_>], opened: OpenedParts, status: &Status) -> Markup {
    html! {
        section aria-labelledby="registries" {
            h2 #registries { "Registries" @if entries.len() > 1 { " " span.quiet { (number(entries.len() as u64)) } } }
            @if entries.is_empty() {
                p.quiet { "The configuration has none." }
            } @else {
                @if entries.len() > MANY { (names(entries, opened)) }
                table role="table" {
                    caption {
                        "Those that need attention first, then in the order of the configuration. Times are UTC."
                    }
                    thead role="rowgroup" {
                        tr role="row" {
                            @for name in ["Registry", "Last run", "Inventory", "Next run", "Now", "Sinks"] {
                                th role="columnheader" scope="col" { (name) }
                            }
                        }
                    }
                    tbody role="rowgroup" {
                        @for entry in entries { (row(entry, status.now)) }
                    }
                }
            }
        }
    }
}

/// The registries in the order of their names, behind a link that opens and closes the list. A `details` element would close
/// whenever the browser loads the page again.
fn names(entries: &[PageEntry<'_>], opened: OpenedParts) -> Markup {
    if !opened.names {
        return html! { p.jump #names { a href="/?open=names#names" { "Jump to a registry by its name" } } };
    }
    let mut by_name: Vec<_> = entries.iter().collect();
    by_name.sort_by(|one, other| one.registry.name.as_str().cmp(other.registry.name.as_str()));
    html! {
        div.jump #names {
            p { a href="/" { "Close the list of names" } }
            nav aria-label="Registries by name" {
                ul.names { @for entry in by_name { li { (notices::link(entry)) } } }
            }
        }
    }
}

fn row(entry: &PageEntry<'_>, now: DateTime<Utc>) -> Markup {
    let registry = entry.registry;
    let level = match entry.level() {
        None => "",
        Some(AttentionLevel::Warning) => "warning",
        Some(AttentionLevel::Critical) => "critical",
    };
    html! {
        tr #(anchor(registry)) .(level) role="row" {
            th role="rowheader" scope="row" { (registry.name) " " span.url { (registry.url) } }
            (cell("run", "Last run", &last_run(registry, now)))
            (cell("inventory", "Inventory", &inventory(&registry.history)))
            (cell("next", "Next run", &next(registry, now)))
            (cell("now", "Now", &activity(registry, now)))
            (cell("sinks", "Sinks", &sinks(registry, now)))
        }
    }
}

fn cell(class: &str, label: &str, content: &Markup) -> Markup {
    html! { td.(class) role="cell" data-label=(label) { div.cell { (content) } } }
}

fn last_run(registry: &RegistryStatus, now: DateTime<Utc>) -> Markup {
    let reason = registry.trouble.as_ref().or(registry.history.last.as_ref().and_then(|last| last.reason.as_ref()));
    html! {
        @match &registry.history.last {
            None => span.quiet { "none yet" },
            Some(last) => (verdict(last, now)),
        }
        @if let Some(reason) = reason {
            div.reason title=(reason.message) { (reason.message) " [" (reason.code) "]" }
        }
    }
}

fn verdict(last: &LastRun, now: DateTime<Utc>) -> Markup {
    let (sign, colour) = match last.verdict {
        Verdict::Complete => ("✓", "good"),
        Verdict::Gaps | Verdict::Partial => ("▲", "warn"),
        Verdict::Denied | Verdict::Unsupported | Verdict::Suspicious | Verdict::Failed => ("✕", "bad"),
    };
    let took = (last.finished_at - last.started_at).to_std().unwrap_or_default();
    html! {
        span.verdict.(colour) { span aria-hidden="true" { (sign) } " " (last.verdict) } " " (both(now, last.finished_at))
        " " span.at {
            "took " (duration(took)) ", "
            @if last.verdict.is_publishable() {
                (counted(last.requests, "request", "requests"))
            } @else {
                "saw " (counted(last.repositories, "repository", "repositories"))
            }
            @if last.trigger == Trigger::Manual { ", by hand" }
        }
    }
}

fn inventory(history: &History) -> Markup {
    let Some(inventory) = history.inventory else { return html! { span.quiet { "none yet" } } };
    html! {
        span.part { (counted(inventory.repositories, "repository", "repositories")) }
        @if inventory.tags > 0 { " " span.at.part { (counted(inventory.tags, "tag", "tags")) } }
        @if inventory.manifests > 0 { " " span.at.part { (counted(inventory.manifests, "manifest", "manifests")) } }
        @if let Some(changes) = history.last.as_ref().and_then(|last| last.changes) {
            " " span.at.part { (changes.to_string()) " since the night before" }
        }
    }
}

fn next(registry: &RegistryStatus, now: DateTime<Utc>) -> Markup {
    let Some(schedule) = &registry.schedule else {
        return html! {
            @if registry.is_left_alone() { span.warn { "never: it has no schedule" } } @else { span.quiet { "only by hand" } }
        };
    };
    html! {
        @if registry.is_suspended() {
            @let until = registry.history.refusals.as_ref().and_then(Refusals::suspended_until);
            span.bad { "suspended" } " " span.at {
                @match until {
                    Some(until) => { "until " (absolute(until)) },
                    None => { "until the secret changes" },
                }
            }
        } @else {
            @match schedule.next {
                Some(next) => (both(now, next)),
                None => span.warn { "never again" },
            }
        }
        " " span.at { code { (schedule.expression) } " " (schedule.time_zone) }
    }
}

fn activity(registry: &RegistryStatus, now: DateTime<Utc>) -> Markup {
    match &registry.activity {
        Activity::Idle => html! { span.quiet { "idle" } },
        Activity::Queued => html! { span.busy { "waiting" } " " span.at { "for one of the others to end" } },
        Activity::Running { since, pages, listed, is_list_whole, to_read, read } => html! {
            span.busy { "running for " (duration((now - *since).to_std().unwrap_or_default())) }
            " " span.at {
                (counted(*pages, "page", "pages")) ", " (counted(*listed, "name", "names"))
                @if *to_read > 0 { ", " (number(*read)) "/" (number(*to_read)) @if !is_list_whole { "+" } "\u{a0}read" }
            }
            (token(registry.token, now))
        },
    }
}

fn token(token: TokenStatus, now: DateTime<Utc>) -> Markup {
    match token {
        TokenStatus::None => html! {},
        TokenStatus::Expired => html! { " " span.at.bad { "its token has expired" } },
        TokenStatus::Held { expires_at, renew_at } => html! {
            " " span.at { "token to be renewed " (when(now, renew_at)) ", expires " (when(now, expires_at)) }
        },
    }
}

/// A sign stands beside a sink only if the last run gave it an inventory.
fn sinks(registry: &RegistryStatus, now: DateTime<Utc>) -> Markup {
    let has_published = registry.history.last.as_ref().is_some_and(|last| last.verdict.is_publishable());
    html! {
        @for name in &registry.sinks {
            @let sink = registry.history.sinks.get(name);
            @let delivered = sink.and_then(|sink| sink.delivered_at);
            div title=[sink.and_then(|sink| sink.location.as_deref())] {
                @match (sink.and_then(|sink| sink.error.as_ref()), delivered) {
                    (Some(_), _) => {
                        span.warn { span aria-hidden="true" { "▲" } " " (name) } " "
                        span.quiet { (sink.map_or_else(String::new, lags)) }
                    }
                    (None, Some(_)) if !has_published => { (name) ": " span.quiet { "last inventory" } },
                    (None, Some(_)) => { span.good aria-hidden="true" { "✓" } " " (name) }
                    (None, None) => { span.quiet { (name) ", nothing yet" } }
                }
                @if let Some(at) = delivered { " " span.quiet.part { (when(now, at)) } }
            }
        }
    }
}

/// How far a sink is behind.
fn lags(sink: &SinkHistory) -> String {
    match sink.owed.len() as u64 {
        0 | 1 => "lags".to_owned(),
        nights => format!("lags {}", counted(nights, "night", "nights")),
    }
}
