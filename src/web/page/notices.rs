//! What needs attention, one notice for the daemon and one for each registry. It shows what `attention` found.

use maud::{Markup, html};

use super::attention::{Finding, Level};
use super::{Entry, anchor, colour, sign};
use crate::status::Status;

/// So many registries are told of in full, and the others in a line each.
const MOST: usize = 10;

pub(super) fn of(of_daemon: &[Finding], unwell: &[Entry<'_>], status: &Status) -> Markup {
    if of_daemon.is_empty() && unwell.is_empty() {
        return html! {};
    }
    let (told, named) = unwell.split_at(unwell.len().min(MOST));
    html! {
        section aria-labelledby="attention" {
            h2 #attention { "What needs attention" }
            @if !of_daemon.is_empty() {
                (notice(&html! { "The daemon" }, None, of_daemon))
            }
            @for entry in told {
                @let name = html! { a href=(format!("#{}", anchor(entry.registry))) { (entry.registry.name) } };
                (notice(&name, super::due(entry.registry, status).filter(|_| !entry.registry.is_suspended()), &entry.findings))
            }
            @if !named.is_empty() {
                div.more {
                    p { (named.len()) " more:" }
                    ul {
                        @for entry in named {
                            li { (link(entry)) @if let Some(worst) = entry.findings.first() { ": " (worst.title) } }
                        }
                    }
                }
            }
        }
    }
}

fn notice(name: &Markup, due: Option<String>, findings: &[Finding]) -> Markup {
    let is_critical = findings.iter().any(|finding| finding.level == Level::Critical);
    html! {
        article.notice.critical[is_critical] {
            h3 {
                (name)
                @if let Some(due) = due { span.quiet { " · next run " (due) } }
            }
            @for finding in findings { (of_finding(finding)) }
        }
    }
}

fn of_finding(finding: &Finding) -> Markup {
    let level = Some(finding.level);
    html! {
        div.finding {
            p.title { span.(colour(level)) aria-hidden="true" { (sign(level)) } " " (finding.title) }
            @match &finding.said {
                Some(said) if said.contains('\n') => { pre.said tabindex="0" { (said) } }
                Some(said) => {
                    p.said {
                        (said)
                        @if let Some(code) = &finding.code { " " span.quiet { "[" (code) "]" } }
                    }
                }
                None => {}
            }
            @if let Some(remedy) = &finding.remedy {
                p.todo { b { "What to do: " } (remedy) }
            }
            @if let Some(meanwhile) = &finding.meanwhile { p.quiet { (meanwhile) } }
            @if finding.command.is_some() || finding.alert.is_some() {
                div.foot {
                    @if let Some(command) = &finding.command { pre.command tabindex="0" { (command) } }
                    @if let Some(alert) = finding.alert { p.alert { "Alert " a href={ "/runbooks/" (alert) } { code { (alert) } } } }
                }
            }
        }
    }
}

/// To the line of a registry.
pub(super) fn link(entry: &Entry<'_>) -> Markup {
    let level = entry.level();
    html! {
        @if level.is_some() { span.(colour(level)) role="img" aria-label="needs attention:" { (sign(level)) } " " }
        a href=(format!("#{}", anchor(entry.registry))) { (entry.registry.name) }
    }
}
