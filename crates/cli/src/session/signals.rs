//! Ctrl-C and termination: once is a request, twice is an order.

use crate::exit::Code;
use crate::output;
use crate::work::interruption;

/// Waits for the first Ctrl-C or termination signal. From then on a second one ends the program at once.
pub(crate) async fn interrupted(quiet: bool) {
    interruption().await;
    if !quiet {
        output::say("torrent: stopping; once more to stop at once");
    }
    tokio::spawn(async {
        interruption().await;
        std::process::exit(Code::Interrupted as i32);
    });
}
