//! When a registry runs: five keys of a registry, which may also stand in the main file for all of them.

use std::time::Duration;

use stocktake_sink::RegistryName;

use crate::schedule::{Expression, RunOnStart, Schedule, ScheduleError, ScheduleSettings, TimeZone};
use yaml_sections::{Checked, Field, Section, nearest};

const JITTER: Duration = Duration::from_hours(24);
/// The longest `catch_up`: a run that is due each week may be a week late.
const CATCH_UP: Duration = Duration::from_hours(7 * 24);

/// The keys. The first says when; without it the others have no effect.
pub(super) const KEYS: [&str; 5] = ["schedule", "time_zone", "jitter", "catch_up", "run_on_start"];

/// What stands at one place; none: nothing does.
#[derive(Clone, Debug, Default)]
pub(super) struct Given {
    when: Option<When>,
    time_zone: Option<TimeZone>,
    jitter: Option<Duration>,
    catch_up: Option<Duration>,
    run_on_start: Option<RunOnStart>,
}

#[derive(Clone, Debug)]
enum When {
    Never,
    At(Expression),
}

/// Reads the keys of the main file or of a registry.
pub(super) fn read(section: &mut Section<'_>) -> Checked<Given> {
    let [schedule, time_zone, jitter, catch_up, run_on_start] = KEYS;
    let when = section.optional(schedule, when);
    let time_zone = section.optional(time_zone, zone);
    let jitter = section.optional(jitter, whole_seconds);
    let catch_up = section.optional(catch_up, |field| field.duration_or_off_up_to(CATCH_UP));
    let words = [("never", RunOnStart::Never), ("if_missed", RunOnStart::IfMissed), ("always", RunOnStart::Always)];
    let run_on_start = section.optional(run_on_start, |field| field.one_of(&words));
    Ok(Given { when: when?, time_zone: time_zone?, jitter: jitter?, catch_up: catch_up?, run_on_start: run_on_start? })
}

/// The schedule of a registry: what stands there, else in the main file, else the default. `defaults` are none where they
/// could not be read, and nothing is then said of keys without effect.
pub(super) fn of(
    section: &mut Section<'_>,
    registry: Option<&RegistryName>,
    defaults: Option<&Given>,
) -> Checked<Option<Schedule>> {
    let given = read(section)?;
    let Some(defaults) = defaults else { return Ok(None) };
    let Some(When::At(expression)) = given.when.clone().or_else(|| defaults.when.clone()) else {
        without_effect(section, "this registry has no `schedule`")?;
        return Ok(None);
    };
    let mut settings = ScheduleSettings::new(expression);
    let Given { time_zone, jitter, catch_up, run_on_start, .. } = given;
    settings.time_zone = time_zone.or(defaults.time_zone).unwrap_or(settings.time_zone);
    settings.jitter = jitter.or(defaults.jitter).unwrap_or(settings.jitter);
    settings.catch_up = catch_up.or(defaults.catch_up).unwrap_or(settings.catch_up);
    settings.run_on_start = run_on_start.or(defaults.run_on_start).unwrap_or(settings.run_on_start);
    Ok(registry.map(|registry| Schedule::new(&settings, registry.as_str())))
}

/// Reports the keys beside `schedule`, each where it stands.
pub(super) fn without_effect(section: &mut Section<'_>, why: &str) -> Checked<()> {
    let help = "add one, for example `schedule: 0 2 * * *`, or leave this out";
    let reports = KEYS[1..].iter().filter_map(|key| section.take(key));
    let reported: Vec<_> =
        reports.map(|field| field.problem(format!("has no effect: {why}"), Some(help.to_owned()))).collect();
    reported.into_iter().next().map_or(Ok(()), Err)
}

fn when(field: &Field<'_>) -> Checked<When> {
    match field.text()? {
        "off" => Ok(When::Never),
        text => {
            let refused = |error: ScheduleError| field.problem(error.to_string(), Some(error.help().to_owned()));
            text.parse().map(When::At).map_err(refused)
        }
    }
}

fn whole_seconds(field: &Field<'_>) -> Checked<Duration> {
    let duration = field.duration_or_off_up_to(JITTER)?;
    if duration.subsec_nanos() == 0 {
        return Ok(duration);
    }
    Err(field.problem("expected whole seconds, found a part of one", Some("for example `10m`".to_owned())))
}

fn zone(field: &Field<'_>) -> Checked<TimeZone> {
    let text = field.text()?;
    text.parse().map_err(|error: ScheduleError| {
        // What is short is an abbreviation, which stands for several zones and is near to all of them.
        let near = (text.len() > 4).then(|| nearest(text, &TimeZone::names().collect::<Vec<_>>())).flatten();
        let help = near.map_or_else(|| error.help().to_owned(), |near| format!("did you mean `{near}`?"));
        field.problem(error.to_string(), Some(help))
    })
}
