//! Environment variables: each option has one, named by the command and the option.

use std::ffi::OsString;

use clap::builder::{BoolishValueParser, Resettable};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, Id};

const PREFIX: &str = "RIVERRUN";

/// Options that are said anew each time: a variable that is forgotten must not edit or overwrite a file.
const NEVER: [&str; 4] = ["help", "version", "force", "verbose"];
/// Commands all of whose options are of that kind.
const NEVER_IN: [&str; 3] = ["edit", "man", "help"];

/// Gives each option its variable: `RIVERRUN_QUIET` for `--quiet`, which all commands share, and
/// `RIVERRUN_CREATE_THREADS` for `torrent create --threads`. Names that the option table gives itself stay.
pub(crate) fn name_variables(command: Command) -> Command {
    name_below(command, PREFIX)
}

fn name_below(command: Command, prefix: &str) -> Command {
    if NEVER_IN.contains(&command.get_name()) {
        return command;
    }
    let command = command.mut_args(|arg| name_one(arg, prefix));
    command.mut_subcommands(|sub| {
        let prefix = format!("{prefix}_{}", shouted(sub.get_name()));
        name_below(sub, &prefix)
    })
}

fn name_one(arg: Arg, prefix: &str) -> Arg {
    let Some(long) = arg.get_long().map(str::to_owned) else { return arg };
    if NEVER.contains(&long.as_str()) || matches!(arg.get_action(), ArgAction::Count) {
        return arg;
    }
    // Without this a switch would take `true` and `false` only. What is neither yes nor no is refused.
    let arg = match arg.get_action() {
        ArgAction::SetTrue => arg.value_parser(BoolishValueParser::new()),
        _ => arg,
    };
    let arg = if arg.get_env().is_some() { arg } else { arg.env(format!("{prefix}_{}", shouted(&long))) };
    // Values may be secrets, and help is copied into bug reports.
    arg.hide_env_values(true)
}

fn shouted(name: &str) -> String {
    name.replace('-', "_").to_ascii_uppercase()
}

/// Takes away the variables that do not count: empty ones, switches that are off, and what contradicts an argument. Without it
/// `--hybrid` would be refused where a variable says `--v2`.
pub(crate) fn settle(command: Command, arguments: &[OsString]) -> Command {
    // The arguments alone tell what was asked for; what is wrong with them is for the real reading to say.
    let alone = forget_all(command.clone()).ignore_errors(true);
    settle_below(command, alone.try_get_matches_from(arguments).ok().as_ref())
}

fn forget_all(command: Command) -> Command {
    command.mut_args(|arg| arg.env(Resettable::Reset)).mut_subcommands(forget_all)
}

fn settle_below(command: Command, matches: Option<&ArgMatches>) -> Command {
    let given = |arg: &&Arg| {
        matches.is_some_and(|matches| {
            matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine)
        })
    };
    let given: Vec<&Arg> = command.get_arguments().filter(given).collect();
    let conflict =
        |a: &Arg, b: &Arg| command.get_arg_conflicts_with(a).iter().any(|arg| arg.get_id() == b.get_id());
    let contradicts = |arg: &Arg| given.iter().any(|other| conflict(arg, other) || conflict(other, arg));
    let idle: Vec<Id> = command
        .get_arguments()
        .filter(|arg| arg.get_env().is_some() && (is_unset(arg) || is_off(arg) || contradicts(arg)))
        .map(|arg| arg.get_id().clone())
        .collect();
    let command =
        command.mut_args(|arg| if idle.contains(arg.get_id()) { arg.env(Resettable::Reset) } else { arg });
    match matches.and_then(ArgMatches::subcommand) {
        Some((name, matches)) => command.mut_subcommand(name, |sub| settle_below(sub, Some(matches))),
        None => command,
    }
}

/// Whether the variable is there and empty, which is how some scripts unset one.
fn is_unset(arg: &Arg) -> bool {
    arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty())
}

/// Whether this is a switch whose variable says no.
fn is_off(arg: &Arg) -> bool {
    let value =
        arg.get_env().filter(|_| matches!(arg.get_action(), ArgAction::SetTrue)).and_then(std::env::var_os);
    let no = ["0", "n", "no", "f", "false", "off"];
    value.is_some_and(|value| no.iter().any(|no| value.eq_ignore_ascii_case(no)))
}

/// Every variable with the command and option it stands for, in the order of the commands.
pub(crate) fn list(command: &Command) -> Vec<(String, String)> {
    let mut out = Vec::new();
    list_below(command, command.get_name(), &mut out);
    out
}

fn list_below(command: &Command, path: &str, out: &mut Vec<(String, String)>) {
    for arg in command.get_arguments() {
        if let (Some(variable), Some(long)) = (arg.get_env(), arg.get_long()) {
            out.push((variable.to_string_lossy().into_owned(), format!("{path} --{long}")));
        }
    }
    for sub in command.get_subcommands() {
        list_below(sub, &format!("{path} {}", sub.get_name()), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_get_names_of_their_own_and_dangerous_ones_none() {
        let variables = list(&crate::args::command());
        let find = |name: &str| {
            variables.iter().find(|(variable, _)| variable == name).map(|(_, option)| option.as_str())
        };
        assert_eq!(find("RIVERRUN_QUIET"), Some("torrent --quiet"));
        assert_eq!(find("RIVERRUN_BLOCKLIST_PACK_OUTPUT"), Some("torrent blocklist pack --output"));
        assert!(variables.iter().all(|(variable, _)| !variable.starts_with("RIVERRUN_EDIT")));
        assert!(variables.iter().all(|(variable, _)| !variable.ends_with("_FORCE")));
        // Commands may share a variable, but only for the option of one name.
        for (variable, option) in &variables {
            let name = |option: &str| option.rsplit(' ').next().map(str::to_owned);
            let others = variables.iter().filter(|(other, _)| other == variable);
            assert!(others.into_iter().all(|(_, other)| name(other) == name(option)), "{variable}");
        }
    }

    #[test]
    fn the_option_table_holds() {
        crate::args::command().debug_assert();
    }
}
