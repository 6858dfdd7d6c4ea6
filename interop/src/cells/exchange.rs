//! Peers found through peer exchange (BEP 11) alone: three clients in a chain, no tracker, and the ends meet.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::Result;
use crate::cell::{Cell, Context, Need, job};
use crate::counterparts::libtorrent::Libtorrent;
use crate::counterparts::riverrun;
use crate::counterparts::transmission::Transmission;
use crate::counterparts::{Client, Counterpart, Job, wait_ready};
use crate::data;
use crate::network::{self, Network};
use crate::ports;
use crate::process::until;

/// Clients tell of peers once a minute, some of them first after a while.
const PATIENCE: Duration = Duration::from_secs(280);

/// The cells.
pub(crate) fn cells() -> Vec<Cell> {
    let needs = || [Need::Client(&Libtorrent), Need::Client(&Transmission), Need::Networks];
    vec![
        Cell::new(
            "exchange/riverrun-transmission-libtorrent",
            "the ends of the chain meet by what Transmission tells",
            needs(),
            |context| chain(context, false),
        )
        .alone(),
        Cell::new(
            "exchange/transmission-riverrun-libtorrent",
            "the ends of the chain meet by what we tell",
            needs(),
            |context| chain(context, true),
        )
        .alone(),
    ]
}

/// Libtorrent has the data; Transmission and ours want it. Whoever is in the middle knows both ends.
fn chain(context: &Context<'_>, we_are_between: bool) -> Result<String> {
    let torrent = context.torrent(data::named("tail-of-1")?, &[])?;
    let mut far = Network::new()?;
    far.cable(("near0", &["10.66.0.1/24"]), ("far0", &["10.66.0.2/24"]))?;
    network::run("ip route add default dev near0")?;
    let at = |host: &str| -> Result<SocketAddr> { Ok(format!("{host}:{}", ports::free()?).parse()?) };
    let (lt_at, tr_at, our_at) = (at("10.66.0.1")?, at("10.66.0.1")?, at("10.66.0.2")?);
    let exchanging = |who: &dyn Counterpart, job: Job<'_>| who.start(&Job { pex: true, ..job });
    let (tr_dir, our_dir) = (context.sub("theirs")?, context.sub("ours")?);
    let (tr_scratch, lt_scratch) = (context.sub("transmission")?, context.sub("libtorrent")?);
    let our_scratch = context.sub("riverrun")?;
    // Slow enough that there is still something to be had when the ends meet.
    let slow = 2_000;
    let transmission = job(&torrent, &tr_dir, tr_at, &[], &tr_scratch);
    let _theirs = exchanging(&Transmission, Job { up_rate: slow, ..transmission })?;
    let known_to_lt: &[SocketAddr] = if we_are_between { &[] } else { &[tr_at] };
    let seed = job(&torrent, &torrent.data.dir, lt_at, known_to_lt, &lt_scratch);
    let mut seed = exchanging(&Libtorrent, Job { seed: true, up_rate: slow, ..seed })?;
    wait_ready(seed.as_mut())?;
    let known_to_us: &[SocketAddr] = if we_are_between { &[tr_at, lt_at] } else { &[tr_at] };
    let ours = Job { pex: true, up_rate: slow, ..job(&torrent, &our_dir, our_at, known_to_us, &our_scratch) };
    let mut ours = riverrun::start_in(&far, &ours, &["--no-port-forward"])?;
    let start = Instant::now();
    until(PATIENCE, "the ends of the chain to meet", || {
        if we_are_between {
            return Ok(seed.process().said()?.contains("\"peers\": 2"));
        }
        has_met(ours.as_mut(), lt_at)
    })?;
    Ok(format!("met after {:.0} s", start.elapsed().as_secs_f64()))
}

/// Whether ours met the seed. To complete without having met it shows nothing.
fn has_met(ours: &mut dyn Client, seed: SocketAddr) -> Result<bool> {
    let said = ours.process().said()?;
    if said.contains(&format!("PeerConnected {{ addr: {seed}")) {
        return Ok(true);
    }
    if ours.state()?.complete {
        return Err("complete before the ends met".into());
    }
    Ok(false)
}
