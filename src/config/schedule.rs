//! When a registry runs: five keys of a registry. In the main file they apply to all registries.

use std::time::Duration;

use stocktake_sink::RegistryName;

use crate::schedule::{Expression, RunOnStart, Schedule, ScheduleError, ScheduleSettings, TimeZone};
use yaml_sections::Phrase::{Computed, Plain};
use yaml_sections::{Checked, Field, OptionalKey, Section, Written, YamlValue, alternatives, nearest};

use super::phrases::duration_or_off;

const EXAMPLE: &str = "\"0 2 * * *\"";
const LONGEST_JITTER: Duration = Duration::from_hours(24);
/// A run that is due each week may be a week late.
const LONGEST_CATCH_UP: Duration = Duration::from_hours(7 * 24);
const RUN_ON_START_WORDS: [(&str, RunOnStart); 3] =
    [("never", RunOnStart::Never), ("if_missed", RunOnStart::IfMissed), ("always", RunOnStart::Always)];

static SCHEDULE: OptionalKey = OptionalKey::new(
    "schedule",
    Plain("a cron expression of 5, 6 or 7 fields, `@daily` and the like, or `off`"),
    Plain("the registry runs only when a person starts it"),
    "When the daemon runs the registry.",
);
static TIME_ZONE: OptionalKey = OptionalKey::new(
    "time_zone",
    Plain("the name of an IANA time zone"),
    Computed(|| format!("`{}`", defaults().time_zone.name())),
    "IANA time zone in which `schedule` is evaluated.",
);
static JITTER: OptionalKey = OptionalKey::new(
    "jitter",
    Computed(|| format!("{}, in whole seconds", duration_or_off(LONGEST_JITTER))),
    Computed(|| format!("`{}`", defaults().jitter.written())),
    "Starts are spread over this time. Each registry keeps its own delay.",
);
static CATCH_UP: OptionalKey = OptionalKey::new(
    "catch_up",
    Computed(|| duration_or_off(LONGEST_CATCH_UP)),
    Computed(|| format!("`{}`", defaults().catch_up.written())),
    "How late the last missed run may still start; `off`: never late.",
);
static RUN_ON_START: OptionalKey = OptionalKey::new(
    "run_on_start",
    Computed(|| alternatives(&RUN_ON_START_WORDS.map(|(word, _)| word))),
    Computed(|| {
        let default = defaults().run_on_start;
        let word = RUN_ON_START_WORDS.iter().find(|(_, value)| *value == default).map_or("", |(word, _)| word);
        format!("`{word}`")
    }),
    "Whether the registry runs when the daemon starts: never, if a run was missed, or always.",
);

/// The keys that have no effect without `schedule`.
static KEYS: [&OptionalKey; 4] = [&TIME_ZONE, &JITTER, &CATCH_UP, &RUN_ON_START];

/// The names of all five keys.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    [&SCHEDULE].into_iter().chain(KEYS).map(OptionalKey::name)
}

fn defaults() -> ScheduleSettings {
    ScheduleSettings::new("@daily".parse().expect("is an expression"))
}

/// The keys as one mapping has them. `None`: the key is absent.
#[derive(Clone, Debug, Default)]
pub(super) struct ScheduleKeys {
    when: Option<RunTimes>,
    time_zone: Option<TimeZone>,
    jitter: Option<Duration>,
    catch_up: Option<Duration>,
    run_on_start: Option<RunOnStart>,
}

#[derive(Clone, Debug)]
enum RunTimes {
    Never,
    At(Expression),
}

/// Reads the keys of the main file or of a registry.
pub(super) fn read(section: &mut Section<'_>) -> Checked<ScheduleKeys> {
    let when = section.optional(&SCHEDULE, when);
    let time_zone = section.optional(&TIME_ZONE, zone);
    let jitter = section.optional(&JITTER, whole_seconds);
    let catch_up = section.optional(&CATCH_UP, |field| field.duration_or_off_up_to(LONGEST_CATCH_UP));
    let run_on_start = section.optional(&RUN_ON_START, |field| field.one_of(&RUN_ON_START_WORDS));
    Ok(ScheduleKeys {
        when: when?,
        time_zone: time_zone?,
        jitter: jitter?,
        catch_up: catch_up?,
        run_on_start: run_on_start?,
    })
}

/// The schedule of a registry: its own keys, else those of the main file, else the defaults. `defaults` are the keys of the
/// main file; `None`: one of them is wrong. Then keys without effect are not reported.
pub(super) fn of(
    section: &mut Section<'_>,
    registry: Option<&RegistryName>,
    defaults: Option<&ScheduleKeys>,
) -> Checked<Option<Schedule>> {
    let given = read(section)?;
    let Some(defaults) = defaults else { return Ok(None) };
    let Some(RunTimes::At(expression)) = given.when.clone().or_else(|| defaults.when.clone()) else {
        without_effect(section, "this registry has no `schedule`")?;
        return Ok(None);
    };
    let mut settings = ScheduleSettings::new(expression);
    let ScheduleKeys { time_zone, jitter, catch_up, run_on_start, .. } = given;
    settings.time_zone = time_zone.or(defaults.time_zone).unwrap_or(settings.time_zone);
    settings.jitter = jitter.or(defaults.jitter).unwrap_or(settings.jitter);
    settings.catch_up = catch_up.or(defaults.catch_up).unwrap_or(settings.catch_up);
    settings.run_on_start = run_on_start.or(defaults.run_on_start).unwrap_or(settings.run_on_start);
    Ok(registry.map(|registry| Schedule::new(&settings, registry.as_str())))
}

/// Reports the keys beside `schedule`, each at its position.
pub(super) fn without_effect(section: &mut Section<'_>, why: &str) -> Checked<()> {
    let help = "add one, for example `schedule: 0 2 * * *`, or leave this out";
    let reports = KEYS.iter().filter_map(|&key| section.take(key));
    let reported: Vec<_> =
        reports.map(|field| field.problem(format!("has no effect: {why}"), Some(help.to_owned()))).collect();
    reported.into_iter().next().map_or(Ok(()), Err)
}

fn when(field: &Field<'_>) -> Checked<RunTimes> {
    // Columns of a crontab may stand apart by tabs, which no other text has.
    let spaced = match &field.node.value {
        YamlValue::Text(text) if text.contains('\t') && !text.contains(|c: char| c.is_control() && c != '\t') => {
            text.replace('\t', " ")
        }
        _ => field.with_example(EXAMPLE).text()?.to_owned(),
    };
    match spaced.as_str() {
        "off" => Ok(RunTimes::Never),
        text => {
            let refused = |error: ScheduleError| field.problem(error.to_string(), Some(error.help().to_owned()));
            text.parse().map(RunTimes::At).map_err(refused)
        }
    }
}

fn whole_seconds(field: &Field<'_>) -> Checked<Duration> {
    let duration = field.duration_or_off_up_to(LONGEST_JITTER)?;
    if duration.subsec_nanos() == 0 {
        return Ok(duration);
    }
    Err(field.problem("expected whole seconds, found a part of one", Some("for example `10m`".to_owned())))
}

fn zone(field: &Field<'_>) -> Checked<TimeZone> {
    let text = field.text()?;
    text.parse().map_err(|error: ScheduleError| {
        // A short text is an abbreviation, such as `EST`. It is similar to several zones, so none is suggested.
        let is_name = text.len() > 4 && !text.contains(|c: char| c.is_ascii_digit());
        let near = is_name.then(|| nearest(text, &TimeZone::names().collect::<Vec<_>>())).flatten();
        // `Europe/Munich` is similar to `Europe/Zurich` by the first half alone.
        let place = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
        let near = near.filter(|near| nearest(&place(text), &[&place(near)]).is_some());
        // A city alone, such as `Berlin` or `New York`.
        let city = text.replace(' ', "_");
        let near = TimeZone::names().find(|name| is_name && place(name).eq_ignore_ascii_case(&city)).or(near);
        let help = near.map_or_else(|| error.help().to_owned(), |near| format!("did you mean `{near}`?"));
        field.problem(error.to_string(), Some(help))
    })
}
