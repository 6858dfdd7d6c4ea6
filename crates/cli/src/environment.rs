//! Environment variables: each option has one, named by the command and the option.

use clap::builder::FalseyValueParser;
use clap::{Arg, ArgAction, Command};

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
    // Without this a switch would take `true` and `false` only.
    let arg = match arg.get_action() {
        ArgAction::SetTrue => arg.value_parser(FalseyValueParser::new()),
        _ => arg,
    };
    let arg = if arg.get_env().is_some() { arg } else { arg.env(format!("{prefix}_{}", shouted(&long))) };
    // Values may be secrets, and help is copied into bug reports.
    arg.hide_env_values(true)
}

fn shouted(name: &str) -> String {
    name.replace('-', "_").to_ascii_uppercase()
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
        let mut names: Vec<&str> = variables.iter().map(|(variable, _)| variable.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), variables.len());
    }

    #[test]
    fn the_option_table_holds() {
        crate::args::command().debug_assert();
    }
}
