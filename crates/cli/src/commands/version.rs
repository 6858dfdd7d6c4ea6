//! `torrent version`.

use clap::Args;
use serde::Serialize;

use crate::exit::Failure;
use crate::identity::PEER_ID_PREFIX;
use crate::output;

/// Arguments of `torrent version`.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Version {
    version: &'static str,
    user_agent: String,
    peer_id_prefix: String,
}

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let version = Version {
        version: env!("CARGO_PKG_VERSION"),
        user_agent: net::tracker::USER_AGENT.to_owned(),
        peer_id_prefix: PEER_ID_PREFIX.to_owned(),
    };
    if options.json {
        return output::json(&version);
    }
    output::line(format!("torrent {}", version.version))?;
    output::line(format!("user agent      {}", version.user_agent))?;
    output::line(format!("peer id prefix  {}", version.peer_id_prefix))
}
