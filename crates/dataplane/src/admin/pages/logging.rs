//! `/logging`: the levels of the application log.
//!
//! Owns its parameters and error texts, which are Envoy's.

use super::{Context, Page};
use crate::admin::response::Response;
use crate::application_log::{self, Component, Level};

pub const PAGES: &[Page] = &[Page {
    path: "/logging",
    post: true,
    help: "query/change logging levels",
    parameters: &[
        (
            "paths",
            "Change multiple logging levels by setting to <logger_name1>:<desired_level1>,<logger_name2>:<desired_level2>. If fine grain logging is enabled, use __FILE__ or a glob experision as the logger name. For example, source/common*:warning",
        ),
        (
            "group",
            "Change given logger group to desired level, set to <logger_group_name>:<desired_level>. logger_group_name must be a logger name.",
        ),
        (
            "level",
            "desired logging level, this will change all loggers's level; One of (, trace, debug, info, warning, error, critical, off)",
        ),
    ],
    answer: logging,
}];

const USAGE: &str = "\
usage: /logging?<name>=<level> (change single level)
usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)
usage: /logging?level=<level> (change all levels)
usage: /logging?group=<group_name>:<level> (change group of loggers)
";

/// A change of levels: a logger (`None`: all) and its new level.
type Change = (Option<Component>, Level);

fn logging(context: &Context<'_>) -> Response {
    // A form sends fields that were left empty.
    let given: Vec<_> = context
        .request
        .parameters
        .iter()
        .filter(|(name, value)| !(name.is_empty() || value.is_empty()))
        .collect();
    let outcome = match given.as_slice() {
        [] => Ok(Vec::new()),
        [(name, value)] => changes(name, value),
        _ => Err("invalid number of parameters"),
    };
    match outcome {
        Ok(changes) => {
            for (logger, level) in changes {
                match logger {
                    Some(logger) => application_log::set_level(logger, level),
                    None => application_log::set_all_levels(level),
                }
            }
            Response::text(200, levels())
        }
        Err(reason) => {
            let names = Level::ALL.map(Level::name).join(" ");
            Response::text(400, format!("error: {reason}\n\n{USAGE}levels: {names} \n{}", levels()))
        }
    }
}

/// What `name=value` asks for.
fn changes(name: &str, value: &str) -> Result<Vec<Change>, &'static str> {
    match name {
        "level" => Ok(vec![(None, level(value)?)]),
        "group" => Err("group parameter requires fine-grain logging to be enabled"),
        "paths" => {
            let pairs = value.split(',').filter(|pair| !pair.is_empty());
            pairs
                .map(|pair| {
                    let (logger, desired) =
                        pair.split_once(':').ok_or("empty logger name or empty logger level")?;
                    if logger.is_empty() || desired.is_empty() {
                        return Err("empty logger name or empty logger level");
                    }
                    one(logger, desired)
                })
                .collect()
        }
        logger => Ok(vec![one(logger, value)?]),
    }
}

fn one(logger: &str, desired: &str) -> Result<Change, &'static str> {
    let desired = level(desired)?;
    Ok((Some(Component::from_name(logger).ok_or("unknown logger name")?), desired))
}

fn level(name: &str) -> Result<Level, &'static str> {
    Level::ALL.into_iter().find(|level| level.name() == name).ok_or("unknown logger level")
}

fn levels() -> String {
    let line =
        |logger: &Component| format!("  {}: {}\n", logger.name(), application_log::level(*logger).name());
    format!("active loggers:\n{}\n", Component::ALL.iter().map(line).collect::<String>())
}
