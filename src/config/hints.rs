//! Hints for kinds of registries: user names and scopes that cannot work, and settings of guides that have another effect
//! here. The table about Quay in docs/registries.md has the
//! sources.

use url::Url;

use crate::registry::Auth;
use crate::registry::RegistryKind;
use crate::registry::ScopeSet;
use yaml_sections::{Checked, Field, is_plain};

/// Checks the user name of a registry of this kind.
pub(super) fn username(kind: Option<RegistryKind>, field: &Field<'_>) -> Checked<()> {
    let name = field.text()?;
    match kind {
        Some(RegistryKind::Quay) => quay_username(field, name),
        Some(RegistryKind::Harbor) => {
            harbor_username(field, name);
            Ok(())
        }
        Some(RegistryKind::Ecr) if name != "AWS" => {
            let help = "write `username: AWS`; the password is what `aws ecr get-login-password` prints";
            field.note("Amazon accepts only one user name", Some(help.to_owned()));
            Ok(())
        }
        _ => Ok(()),
    }
}

fn quay_username(field: &Field<'_>, name: &str) -> Checked<()> {
    // A password follows the name, which is reported elsewhere.
    if name.contains(':') {
        return Ok(());
    }
    if let Some((org, robot)) = name.split_once('/') {
        let plain = is_plain(org) && is_plain(robot);
        let meant = if plain { format!("{org}+{robot}") } else { "org+robot".to_owned() };
        return Err(field.problem("no account of Quay has a `/` in its name", Some(format!("did you mean `{meant}`?"))));
    }
    // `$oauthtoken` and `$app` are user names for tokens of Quay.
    if !name.contains('+') && !name.starts_with('$') {
        field.note(
            "not a robot account's name, which has a `+`",
            Some(
                "for a robot account write `org+robot`; a person's account works, and shows what that person sees"
                    .into(),
            ),
        );
    }
    Ok(())
}

/// A shell or Compose may have replaced the `$` when the file was written.
fn harbor_username(field: &Field<'_>, name: &str) {
    if name == "robot" || name.starts_with("robot$$") || name.starts_with("robot\\$") {
        field.note(
            "Harbor's robots are named `robot$NAME`, or `robot$PROJECT+NAME`",
            Some(
                "one `$`, and nothing before it: a shell or Compose may have changed it; here it needs no quotes"
                    .into(),
            ),
        );
    }
}

/// Reads scopes: one or more in a text, or a list of texts.
pub(super) fn scopes(kind: Option<RegistryKind>, field: &Field<'_>) -> Checked<Vec<String>> {
    let quay = kind == Some(RegistryKind::Quay);
    let scopes = field.each(|field| {
        let text = field.text()?;
        let scopes = ScopeSet::parse([text]);
        let count = scopes.iter().count();
        if count > 1 {
            field.note(format!("read as {count} scopes, which are asked for one by one"), None);
        }
        if quay {
            quay_scopes(field, &scopes)?;
        }
        Ok(text.to_owned())
    })?;
    if quay {
        let help = "the account decides: grant it Read on the repositories that are to be listed; its token is asked for by \
                    GET, since Quay answers 405 to POST";
        field.note("on Quay the scope does not change which repositories are listed", Some(help.to_owned()));
    }
    Ok(scopes)
}

fn quay_scopes(field: &Field<'_>, scopes: &ScopeSet) -> Checked<()> {
    for scope in scopes.iter() {
        if scope == ScopeSet::CATALOG {
            let help = "Quay answers 400 to it, and lists what the account sees without it; leave it out".to_owned();
            field.note(format!("`{}` is not asked for", ScopeSet::CATALOG), Some(help));
        } else if scope.split(':').nth(1).is_some_and(|name| name.contains('*')) {
            let help = "leave `scope` out: what is listed depends on the account alone; or name one repository, \
                        `repository:ORG/REPO:pull`";
            return Err(field.problem("Quay knows no wildcard in a scope and answers 400 to it", Some(help.to_owned())));
        }
    }
    Ok(())
}

/// Adds a note if this kind does not accept the login.
pub(super) fn login(kind: Option<RegistryKind>, field: &Field<'_>, auth: Option<&Auth>) {
    if kind == Some(RegistryKind::Quay) && matches!(auth, Some(Auth::Basic(_))) {
        let help = "Quay answers `Invalid bearer token format` to Basic: write `type: token`, the default".to_owned();
        field.note("Quay wants tokens", Some(help));
    }
}

/// Adds a note if the service is not the host of the registry.
pub(super) fn service(kind: Option<RegistryKind>, url: Option<&Url>, field: &Field<'_>, service: &str) {
    let Some(host) = url.and_then(Url::host_str).filter(|_| kind == Some(RegistryKind::Quay)) else { return };
    let with_port = url.and_then(Url::port).map_or(host.to_owned(), |port| format!("{host}:{port}"));
    if service != host && service != with_port {
        let help = "leave it out: the registry names its service, and Quay refuses tokens for another one".to_owned();
        field.note(format!("not the host of the registry, `{with_port}`"), Some(help));
    }
}

/// Adds a note that a limit makes the inventory incomplete.
pub(super) fn limit(kind: Option<RegistryKind>, field: &Field<'_>, most: u64) {
    if kind == Some(RegistryKind::Quay) && most > 0 {
        let help = "0, the default, is all: pages are followed to the end, and none is kept in memory".to_owned();
        field.note(format!("the inventory ends after {most} repositories"), Some(help));
    }
}

/// Why this kind needs a `discovery`, and an example.
pub(super) fn no_catalog(kind: RegistryKind) -> (String, &'static str) {
    let help = match kind {
        RegistryKind::DockerHub => "for example `discovery: {type: docker_hub, namespaces: [my-org]}`",
        _ => "for example `discovery: {repositories: [my-org/app]}`",
    };
    (format!("`discovery` is missing: `{kind}` has no catalog"), help)
}
