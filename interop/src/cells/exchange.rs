//! Peers found through peer exchange (BEP 11) alone: three clients in a chain, no tracker, and the ends meet.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::Result;
use crate::cell::{Cell, Context, Need, job};
use crate::counterparts::libtorrent::{self, Libtorrent};
use crate::counterparts::riverrun;
use crate::counterparts::transmission::Transmission;
use crate::counterparts::{Counterpart, Job, wait_ready};
use crate::data;
use crate::network::Star;
use crate::ports;
use crate::process::until;

/// Transmission tells of peers 90 s after it met one for the first time, the others within a minute.
const PATIENCE: Duration = Duration::from_secs(140);

/// What the seed sends in a second: so little that there is something to be had when the ends meet. The others send what they
/// have; with a limit, what they tell of peers would wait behind it.
const SLOW: u64 = 2_000;

/// Who knows both ends of the chain.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Between {
    Ours,
    Transmission,
    Libtorrent,
}

/// The cells.
pub(crate) fn cells() -> Vec<Cell> {
    let cell = |name: &str, teller: &str, between| {
        let needs = [Need::Client(&Libtorrent), Need::Client(&Transmission), Need::Networks];
        let about = format!("the ends of the chain meet by what {teller} told, and by that alone");
        Cell::new(format!("exchange/{name}"), about, needs, move |context| chain(context, between))
    };
    vec![
        cell("riverrun-transmission-libtorrent", "Transmission", Between::Transmission),
        cell("riverrun-libtorrent-transmission", "libtorrent", Between::Libtorrent),
        cell("transmission-riverrun-libtorrent", "we", Between::Ours),
    ]
}

/// Libtorrent has the data; Transmission and ours want it. Transmission takes no addresses: it is dialed. The end that is
/// not ours neither tells nor hears, so that where another is between we must have heard and dialed.
fn chain(context: &Context<'_>, between: Between) -> Result<String> {
    let torrent = context.torrent(data::named("tail-of-1")?, &[])?;
    // Transmission is here, the others are in networks of their own: it knows peers by their address, without the port.
    let star = Star::new(2)?;
    let at = |host: String| -> Result<SocketAddr> { Ok(format!("{host}:{}", ports::free()?).parse()?) };
    let (tr, lt, us) = (at(star.here(0))?, at(star.there(0))?, at(star.there(1))?);
    let (told_us, told_lt): (&[SocketAddr], &[SocketAddr]) = match between {
        Between::Ours => (&[tr, lt], &[]),
        Between::Transmission => (&[tr], &[tr]),
        Between::Libtorrent => (&[], &[tr, us]),
    };
    let (tr_dir, our_dir) = (context.sub("theirs")?, context.sub("ours")?);
    let scratch = [context.sub("transmission")?, context.sub("libtorrent")?, context.sub("riverrun")?];
    let _theirs = Transmission.start(&Job {
        pex: between != Between::Libtorrent,
        ..job(&torrent, &tr_dir, tr, &[], &scratch[0])
    })?;
    let seed = job(&torrent, &torrent.data.dir, lt, told_lt, &scratch[1]);
    let mut seed = libtorrent::start_in(
        star.arm(0),
        &Job { seed: true, pex: between != Between::Transmission, up_rate: SLOW, ..seed },
    )?;
    wait_ready(seed.as_mut())?;
    let ours = Job { pex: true, ..job(&torrent, &our_dir, us, told_us, &scratch[2]) };
    let mut ours = riverrun::start_in(star.arm(1), &ours, &["--no-port-forward"])?;
    let start = Instant::now();
    until(PATIENCE, "the ends of the chain to meet", || {
        if ours.state()?.complete {
            return Err("complete before the ends met".into());
        }
        match between {
            Between::Ours => Ok(seed.process().said()?.contains("\"peers\": 2")),
            Between::Transmission => Ok(ours.process().said()?.contains(&connected(lt))),
            Between::Libtorrent => Ok(ours.process().said()?.contains(&connected(tr))),
        }
    })?;
    Ok(format!("met after {:.0} s", start.elapsed().as_secs_f64()))
}

/// What our log says when a peer is met that we dialed.
fn connected(peer: SocketAddr) -> String {
    format!("PeerConnected {{ addr: {peer} }}")
}
