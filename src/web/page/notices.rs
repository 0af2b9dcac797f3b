//! The section of what needs attention: one notice for the daemon and one for each registry.

use maud::{Markup, html};

use super::attention::{AttentionItem, AttentionLevel};
use super::entry::{PageEntry, anchor, colour, due, sign};
use super::words::number;
use crate::snapshot::UnreadRepositories;
use crate::status::Status;

/// This many registries have a notice; the others have one line each.
const MOST: usize = 10;

pub(super) fn of(of_daemon: &[AttentionItem], unwell: &[PageEntry<'_>], status: &Status) -> Markup {
    if of_daemon.is_empty() && unwell.is_empty() {
        return html! {};
    }
    let (shown, named) = unwell.split_at(unwell.len().min(MOST));
    html! {
        section aria-labelledby="attention" {
            h2 #attention { "What needs attention" }
            @if !of_daemon.is_empty() {
                (notice(&html! { "The daemon" }, None, of_daemon))
            }
            @for entry in shown {
                @let name = html! { a href=(format!("#{}", anchor(entry.registry))) { (entry.registry.name) } };
                (notice(&name, due(entry.registry, status).filter(|_| !entry.registry.is_suspended()), &entry.items))
            }
            @if !named.is_empty() {
                div.more {
                    p { (named.len()) " more:" }
                    ul {
                        @for entry in named {
                            li { (link(entry)) @if let Some(worst) = entry.items.first() { ": " (worst.title) } }
                        }
                    }
                }
            }
        }
    }
}

fn notice(name: &Markup, next: Option<String>, items: &[AttentionItem]) -> Markup {
    let is_critical = items.iter().any(|item| item.level == AttentionLevel::Critical);
    html! {
        article.notice.critical[is_critical] {
            h3 {
                (name)
                @if let Some(next) = next { span.quiet { " · next run " (next) } }
            }
            @for item in items { (of_item(item)) }
        }
    }
}

fn of_item(item: &AttentionItem) -> Markup {
    let level = Some(item.level);
    html! {
        div.finding {
            p.title { span.(colour(level)) aria-hidden="true" { (sign(level)) } " " (item.title) }
            @match &item.said {
                Some(said) if said.contains('\n') => { pre.said tabindex="0" { (said) } }
                Some(said) => {
                    p.said {
                        (said)
                        @if let Some(code) = &item.code { " " span.quiet { "[" (code) "]" } }
                    }
                }
                None => {}
            }
            @if let Some(unread) = &item.unread { (of_unread(unread, item.shows_all)) }
            @if let Some(remedy) = &item.remedy {
                p.todo { b { "What to do: " } (remedy) }
            }
            @if let Some(unread) = &item.unread {
                @for remedy in unread.remedies() { p.todo { b { "What to do: " } (remedy) } }
            }
            @if let Some(meanwhile) = &item.meanwhile { p.quiet { (meanwhile) } }
            @if item.command.is_some() || item.alert.is_some() {
                div.foot {
                    @if let Some(command) = &item.command { pre.command tabindex="0" { (command) } }
                    @if let Some(alert) = item.alert { p.alert { "Alert " a href={ "/runbooks/" (alert) } { code { (alert) } } } }
                }
            }
        }
    }
}

/// The first repositories that could not be read, and why.
fn of_unread(unread: &UnreadRepositories, command_shows_all: bool) -> Markup {
    html! {
        ul.unread {
            @for repository in &unread.first { li { (repository.told()) } }
            @if unread.more() > 0 {
                li {
                    "and " (number(unread.more())) " more"
                    @if command_shows_all { "; the command below shows all of them" }
                }
            }
        }
    }
}

/// A link to the row of a registry.
pub(super) fn link(entry: &PageEntry<'_>) -> Markup {
    let level = entry.level();
    html! {
        @if level.is_some() { span.(colour(level)) role="img" aria-label="needs attention:" { (sign(level)) } " " }
        a href=(format!("#{}", anchor(entry.registry))) { (entry.registry.name) }
    }
}
