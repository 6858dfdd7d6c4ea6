//! Prints the table of malformed and odd torrents as Markdown: file, verdict, message. Fails if one does not meet
//! its verdict.

#[path = "../tests/defects/mod.rs"]
mod table;

fn main() -> std::process::ExitCode {
    print!("{}", table::markdown());
    let wrong: Vec<String> = table::all().iter().filter_map(|case| case.check().err()).collect();
    wrong.iter().for_each(|line| eprintln!("{line}"));
    if wrong.is_empty() { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE }
}
