//! What was typed of stopping by itself and leaving out hosts -> what the engine is told, with mistakes found before any
//! record is made.

use jiff::civil::{DateTime, Time};
use jiff::{ToSpan as _, Zoned};

use super::args::Pausing;
use super::failure::Failure;
use super::prepared::Prepared;
use crate::clock::Timestamp;
use crate::inventory::HostName;
use crate::rollout::{PauseAfter, Pauses};
use crate::yaml::Problem;

/// Reads what was typed for a prepared run.
pub(super) fn pauses(
    typed: &Pausing,
    reason: Option<&str>,
    prepared: &Prepared,
    now: Timestamp,
) -> Result<Pauses, Failure> {
    let after = typed.pause_after.as_ref().map(|text| {
        let after = PauseAfter::parse(text);
        knows(&after, prepared)?;
        Ok::<_, Failure>((after, text.clone()))
    });
    let until = typed.until.as_ref().map(|text| {
        let now = now.to_zoned(jiff::tz::TimeZone::system());
        Ok::<_, Failure>((moment(text, &now)?, text.clone()))
    });
    Ok(Pauses {
        until: until.transpose()?,
        after: after.transpose()?,
        skipped: hosts(&typed.skip, prepared)?,
        skipped_because: reason.unwrap_or_default().to_owned(),
        ..Pauses::default()
    })
}

/// Finds hosts by their names.
pub(super) fn hosts(names: &[String], prepared: &Prepared) -> Result<Vec<HostName>, Failure> {
    let known = prepared.world.inventory().hosts();
    let find = |name: &String| {
        let found = known.iter().find(|host| host.as_str() == name);
        found.cloned().ok_or_else(|| {
            let problem = Problem::nowhere(format!("there is no host `{name}`"));
            Failure::from(problem.did_you_mean(name, known.iter().map(HostName::as_str)))
        })
    };
    names.iter().map(find).collect()
}

fn knows(after: &PauseAfter, prepared: &Prepared) -> Result<(), Failure> {
    let PauseAfter::Play { name, .. } = after else {
        return Ok(());
    };
    let titles: Vec<String> = prepared.playbook.plays().map(|play| play.title()).collect();
    if titles.contains(name)
        || prepared
            .playbook
            .plays()
            .any(|play| play.id.as_str() == name)
    {
        return Ok(());
    }
    let problem = Problem::nowhere(format!("no play is called `{name}`"));
    let problem = problem.did_you_mean(name, titles.iter().map(String::as_str));
    Err(match problem.hint {
        Some(_) => problem.into(),
        None => Failure::from(problem).hint("`stagger plan` shows the plays and their batches"),
    })
}

/// Reads a moment: the next one of a time of day, or a date and a time, both as clocks show them here.
fn moment(text: &str, now: &Zoned) -> Result<Timestamp, Failure> {
    let wrong = |why: String| {
        Failure::usage(format!("`{text}` is no time: {why}"))
            .hint("such as 06:00, or 2026-03-01T06:00")
    };
    if let Ok(time) = text.parse::<Time>()
        && !text.contains('-')
    {
        let at = |day: jiff::civil::Date| day.to_datetime(time).to_zoned(now.time_zone().clone());
        let today = at(now.date()).map_err(|error| wrong(error.to_string()))?;
        if today > *now {
            return Ok(today.timestamp());
        }
        let tomorrow = now.date().checked_add(1.day()).and_then(at);
        return tomorrow
            .map(|moment| moment.timestamp())
            .map_err(|error| wrong(error.to_string()));
    }
    let moment: DateTime = text
        .replace(' ', "T")
        .parse()
        .map_err(|error: jiff::Error| wrong(error.to_string()))?;
    let moment = moment
        .to_zoned(now.time_zone().clone())
        .map_err(|error| wrong(error.to_string()))?;
    if moment <= *now {
        return Err(wrong("it is over already".to_owned()));
    }
    Ok(moment.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_is_the_next_one() {
        let now: Zoned = "2026-02-28T22:30:00+01:00[Europe/Berlin]".parse().unwrap();
        for (text, expected) in [
            ("06:00", Some("2026-03-01T05:00:00Z")),
            ("23:15", Some("2026-02-28T22:15:00Z")),
            ("22:30", Some("2026-03-01T21:30:00Z")),
            ("2026-03-02T06:00", Some("2026-03-02T05:00:00Z")),
            ("2026-03-02 06:00", Some("2026-03-02T05:00:00Z")),
            ("2026-02-28T22:00", None),
            ("soon", None),
            ("25:00", None),
        ] {
            let read = moment(text, &now).ok().map(|moment| moment.to_string());
            assert_eq!(read.as_deref(), expected, "{text}");
        }
    }
}
