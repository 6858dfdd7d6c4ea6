//! Peers that find each other in the DHT (BEP 5) alone: no tracker, no address, and one node that knows both.

use std::time::{Duration, Instant};

use crate::Result;
use crate::cell::{Cell, Context, Need, job, local};
use crate::counterparts::libtorrent::{self, Libtorrent};
use crate::counterparts::{Job, riverrun, wait_complete, wait_ready};
use crate::data;
use crate::metainfo;

/// Whoever finds nobody asks again after a minute.
const PATIENCE: Duration = Duration::from_secs(150);

/// The cells.
pub(crate) fn cells() -> Vec<Cell> {
    let about = "an info hash alone, found in the DHT alone";
    let needs = || [Need::Client(&Libtorrent)];
    vec![
        Cell::new("dht/libtorrent-to-riverrun", about, needs(), |context| pair(context, false)),
        Cell::new("dht/riverrun-to-libtorrent", about, needs(), |context| pair(context, true)),
    ]
}

fn pair(context: &Context<'_>, we_seed: bool) -> Result<String> {
    let torrent = context.torrent(data::named("tail-of-1")?, &[])?;
    let (dir, ours, theirs) = (context.sub("downloaded")?, context.sub("ours")?, context.sub("theirs")?);
    let at = local()?;
    let mut node = libtorrent::start_node(at, &theirs)?;
    wait_ready(node.as_mut())?;
    let link = metainfo::magnet(&std::fs::read(&torrent.path)?, &[], &[])?;
    let of_node = at.to_string();
    let start = |ours_too: bool, seed: bool| {
        let (dir, scratch) =
            (if seed { &torrent.data.dir } else { &dir }, if ours_too { &ours } else { &theirs });
        let magnet = (!seed).then_some(&*link);
        let job = Job { seed, magnet, ..job(&torrent, dir, local()?, &[], scratch) };
        match ours_too {
            true => riverrun::start(&job, &["--dht-node", &of_node]),
            false => libtorrent::start_at(at, &job),
        }
    };
    let mut seed = start(we_seed, true)?;
    wait_ready(seed.as_mut())?;
    let begun = Instant::now();
    let mut leech = start(!we_seed, false)?;
    wait_complete(leech.as_mut(), PATIENCE)?;
    torrent.data.compare(&dir, true)?;
    Ok(format!("complete after {:.1} s", begun.elapsed().as_secs_f64()))
}
