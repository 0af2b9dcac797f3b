//! The secret of a sink: its keys, and its place behind the interface that sinks see.

use std::sync::Arc;

use async_trait::async_trait;
use stocktake_sink::{SecretOption, SecretPlace, SecretText, UnreadableSecret};
use yaml_sections::{AbsentKey, Checked, Field, KeyDescription, Section};

use crate::registry::SecretSource;
use crate::registry::examine::LocalProblem;

/// Reads one source of a secret, as `auth` of a registry does.
pub(crate) type ReadSource = fn(&Field<'_>) -> Checked<SecretSource>;

const ALLOW_READABLE: &str = "allow_readable";

/// Reads where a secret is. A secret that stands in the configuration is refused without reading it.
pub(super) fn read(
    section: &mut Section<'_>,
    option: &'static SecretOption,
    source: ReadSource,
) -> Checked<Option<Arc<dyn SecretPlace>>> {
    let SecretOption { literal, file, env, command, credential, .. } = *option;
    let why = format!(
        "`{literal}`: do not write a secret into the configuration, which backups, tickets and version control copy"
    );
    let help = format!("write `{file}: PATH`, `{env}: VARIABLE`, `{command}: [PROGRAM]` or `{credential}: NAME`");
    let refused = section.refuse(literal, &why, &help);
    let fields: Vec<_> = keys(option).into_iter().filter_map(|key| section.take(key)).collect();
    let allow_readable = section.take(allow_readable()).map_or(Ok(false), |field| match field.bool()? {
        true if !fields.iter().any(|field| field.key == file) => {
            let help = format!("add `{file}`, or leave this out");
            Err(field.problem("has no effect without a file that holds a secret", Some(help)))
        }
        allowed => Ok(allowed),
    });
    let place = match &fields[..] {
        [] => Ok(None),
        [field] => source(field).map(|source| Some((field.key, source))),
        [first, .., last] => {
            Err(last.problem("a secret has one source", Some(format!("keep this or `{}`", first.key))))
        }
    };
    refused?;
    let allow_readable = allow_readable?;
    Ok(place?.map(|(key, source)| {
        let source = match source {
            SecretSource::File(path) if allow_readable => SecretSource::ReadableFile(path),
            source => source,
        };
        Arc::new(ConfiguredSecret { key, source }) as Arc<dyn SecretPlace>
    }))
}

fn keys(option: &'static SecretOption) -> [KeyDescription; 4] {
    let key = |name, accepts: &str, meaning| KeyDescription {
        name,
        accepts: accepts.to_owned(),
        absent: AbsentKey::Means("none".to_owned()),
        meaning,
    };
    [
        key(option.file, "the path of a file", option.meaning),
        key(option.env, "the name of an environment variable", "Environment variable that holds the same."),
        key(
            option.command,
            "a program and its arguments, as a list",
            "Command that prints the same. No shell is used.",
        ),
        key(
            option.credential,
            "the name of a systemd credential",
            "Credential of the systemd unit (`LoadCredential=`) that holds the same.",
        ),
    ]
}

fn allow_readable() -> KeyDescription {
    KeyDescription {
        name: ALLOW_READABLE,
        accepts: "`true` or `false`".to_owned(),
        absent: AbsentKey::Default("false".to_owned()),
        meaning: "Accept a secret file, named beside this key, that other users can read or own.",
    }
}

/// The place of a secret, and the key that names it.
#[derive(Debug)]
struct ConfiguredSecret {
    key: &'static str,
    source: SecretSource,
}

impl ConfiguredSecret {
    fn unreadable(&self, problem: LocalProblem) -> UnreadableSecret {
        let LocalProblem { thing, problem, remedy, is_of_service, .. } = problem;
        UnreadableSecret { key: self.key, thing, problem, remedy, is_of_service }
    }
}

#[async_trait]
impl SecretPlace for ConfiguredSecret {
    async fn read(&self) -> Result<SecretText, UnreadableSecret> {
        self.source.reveal().await.map(SecretText::new).map_err(|problem| self.unreadable(problem))
    }

    fn look(&self) -> Result<(), UnreadableSecret> {
        self.source.local_problem().map_or(Ok(()), |problem| Err(self.unreadable(problem)))
    }
}
