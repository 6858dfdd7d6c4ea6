//! What a reader reads from: verified pieces, and the demand for those that are missing.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use engine::ReaderId;
use types::PieceIndex;

use crate::entry::{Entry, Stage, State, Taken};
use crate::inner::Inner;
use crate::runtime::FromShard;
use crate::{Error, Trouble};

/// The most that one read of the disk brings.
const CHUNK: usize = 256 << 10;
/// Pieces of one demand: what the engine takes.
const PIECES: usize = 512;
/// Pieces ahead are needed one after the other at this rate, in bytes a second.
const PACE: f64 = 4e6;

/// A run of a torrent's payload, and one number under which pieces of it are demanded.
pub(super) struct Source {
    inner: Arc<Inner>,
    entry: Arc<Entry>,
    range: Range<u64>,
    reader: ReaderId,
    watching: bool,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("torrent", &self.entry.hashes).field("range", &self.range).finish()
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.set_watching(false);
        self.release();
    }
}

impl Source {
    pub(super) fn new(inner: Arc<Inner>, entry: Arc<Entry>, range: Range<u64>) -> Source {
        let reader = entry.state().demands.new_reader();
        Source { inner, entry, range, reader, watching: false }
    }

    /// The same bytes under another number.
    pub(super) fn twin(&self) -> Source {
        Source::new(self.inner.clone(), self.entry.clone(), self.range.clone())
    }

    pub(super) fn len(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// Demands the pieces of these bytes, in order, in place of what was demanded before. Those that are here
    /// cost nothing.
    pub(super) fn demand(&self, bytes: Range<u64>) {
        let geometry = self.entry.info().geometry();
        let pieces = geometry.pieces_of(self.at(bytes.start)..self.at(bytes.end));
        let spacing = Duration::from_secs_f64(f64::from(geometry.piece_len(PieceIndex(0))) / PACE);
        self.entry.demand(self.inner.shard(&self.entry), self.reader, |state| {
            let missing = pieces.enumerate().filter(|(_, piece)| !state.pieces.has(*piece)).take(PIECES);
            missing.map(|(n, piece)| (PieceIndex(piece), spacing * n as u32)).collect()
        });
    }

    /// Demands nothing any more.
    pub(super) fn release(&self) {
        self.entry.demand(self.inner.shard(&self.entry), self.reader, |_| Vec::new());
    }

    /// Whether to be told what can be read of pieces that are not verified yet.
    pub(super) fn set_watching(&mut self, on: bool) {
        if std::mem::replace(&mut self.watching, on) != on {
            self.entry.watch(self.inner.shard(&self.entry), on);
        }
    }

    /// What of `taken` turned out wrong, of the first such piece: that is forgotten, and so is what was verified. Other
    /// pieces have their turn at the next call.
    pub(super) fn retracted(&self, taken: &mut Vec<Taken>) -> Option<Error> {
        let state = self.entry.state();
        let wrong = first_wrong(&state, taken);
        let error = wrong.map(|piece| retraction(&state, taken, piece, self.range.start));
        taken.retain(|taken| match state.unverified.is_taken_back(taken) {
            true => wrong != Some(taken.piece),
            false => !state.pieces.has(taken.piece.0),
        });
        error
    }

    /// Waits until all of `taken` is verified.
    pub(super) async fn confirm(&self, taken: &[Taken]) -> Result<(), Error> {
        let start = self.range.start;
        until(&self.inner, &self.entry, |state| {
            if let Some(piece) = first_wrong(state, taken) {
                return Err(retraction(state, taken, piece, start));
            }
            match &state.stage {
                Stage::Failed(trouble) => Err(Error::Failed((**trouble).clone())),
                Stage::Removed => Err(Error::Removed),
                _ => Ok(taken.iter().all(|taken| state.pieces.has(taken.piece.0)).then_some(())),
            }
        })
        .await
    }

    /// As [`Source::read`], but also of a piece that is not verified, as far as it lies on the disk: what was taken of
    /// one comes along. Ends with [`Error::Retracted`] where some of `taken` turns out wrong meanwhile.
    pub(super) fn read_early(
        &self,
        at: u64,
        most: usize,
        taken: Vec<Taken>,
    ) -> impl Future<Output = Result<(Vec<u8>, Option<Taken>), Error>> + Send + use<> {
        let verified = self.read(at, most);
        let (inner, entry, start) = (self.inner.clone(), self.entry.clone(), self.range.start);
        let (at, end) = (self.at(at), self.range.end);
        async move {
            let most = at + end.saturating_sub(at).min(most.min(CHUNK) as u64);
            let early = until(&inner, &entry, |state| {
                if let Some(piece) = first_wrong(state, &taken) {
                    return Err(retraction(state, &taken, piece, start));
                }
                let here = most == at || look(&entry, state, at..most)?.is_some();
                let early = || state.unverified.take(entry.info().geometry(), at..most);
                Ok(if here { Some(None) } else { early().map(Some) })
            })
            .await?;
            if let (Some(early), Some(storage)) = (early, entry.data.storage().cloned()) {
                let len = (early.bytes.end - early.bytes.start) as usize;
                // What can't be read now is read when it is verified.
                if let Ok(bytes) = inner.shared.disk.read(storage, at, len).await {
                    return Ok((bytes, Some(early)));
                }
            }
            Ok((verified.await?, None))
        }
    }

    /// At least one byte and at most `most` from `at` on; none at the end. Waits for the piece that `at` lies
    /// in.
    pub(super) fn read(
        &self,
        at: u64,
        most: usize,
    ) -> impl Future<Output = Result<Vec<u8>, Error>> + Send + use<> {
        let (inner, entry) = (self.inner.clone(), self.entry.clone());
        let (at, end) = (self.at(at), self.range.end);
        async move {
            if at >= end || most == 0 {
                return Ok(Vec::new());
            }
            let most = at + (end - at).min(most.min(CHUNK) as u64);
            let ready = verified(&inner, &entry, at..most).await?;
            let storage = entry.data.storage().cloned().ok_or(Error::Closed)?;
            match inner.shared.disk.read(storage, at, (ready - at) as usize).await {
                Ok(bytes) => Ok(bytes),
                Err(error) => {
                    // A recheck may have given the piece up meanwhile: then nothing is lost any more.
                    let piece = entry.info().geometry().piece_at(at);
                    let counts = piece.is_some_and(|piece| entry.state().pieces.has(piece.0));
                    if counts && error.kind().is_data_lost() {
                        // The torrent learns of it as it does where a peer asks for the block.
                        inner.shards.report(FromShard::DataLost(entry.id, at, error.clone()));
                    }
                    Err(error.into())
                }
            }
        }
    }

    fn at(&self, offset: u64) -> u64 {
        self.range.start.saturating_add(offset).min(self.range.end)
    }
}

/// Waits until the first byte of a range is verified; returns how far it is from there.
async fn verified(inner: &Arc<Inner>, entry: &Arc<Entry>, bytes: Range<u64>) -> Result<u64, Error> {
    until(inner, entry, |state| look(entry, state, bytes.clone())).await
}

/// The piece of the first of these that turned out wrong.
fn first_wrong(state: &State, taken: &[Taken]) -> Option<PieceIndex> {
    taken.iter().find(|taken| state.unverified.is_taken_back(taken)).map(|taken| taken.piece)
}

/// Everything of a piece among these that turned out wrong, counted from payload byte `start`.
fn retraction(state: &State, taken: &[Taken], piece: PieceIndex, start: u64) -> Error {
    let wrong = taken.iter().filter(|taken| taken.piece == piece && state.unverified.is_taken_back(taken));
    let mut ranges: Vec<Range<u64>> =
        wrong.map(|taken| taken.bytes.start - start..taken.bytes.end - start).collect();
    ranges.sort_by_key(|range| range.start);
    let mut bytes: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match bytes.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => bytes.push(range),
        }
    }
    Error::Retracted { bytes }
}

/// Waits until `ready` answers something, or the client closes.
async fn until<R>(
    inner: &Arc<Inner>,
    entry: &Arc<Entry>,
    mut ready: impl FnMut(&State) -> Result<Option<R>, Error>,
) -> Result<R, Error> {
    let mut closed = inner.ending.subscribe();
    let ready = entry.wait(|state| {
        if inner.is_closing() {
            return Some(Err(Error::Closed));
        }
        ready(state).transpose()
    });
    tokio::select! {
        biased;
        result = ready => result,
        // An error here means that the client is gone, which is the same.
        _ = closed.wait_for(|closed| *closed) => Err(Error::Closed),
    }
}

/// How far the range is verified from its start on; none while its first piece is missing.
fn look(entry: &Entry, state: &State, bytes: Range<u64>) -> Result<Option<u64>, Error> {
    match &state.stage {
        Stage::Failed(trouble) => return Err(Error::Failed((**trouble).clone())),
        Stage::Removed => return Err(Error::Removed),
        Stage::Running => {}
        _ => return Ok(None),
    }
    let geometry = entry.info().geometry();
    let pieces = geometry.pieces_of(bytes.clone());
    let here = pieces.clone().take_while(|piece| state.pieces.has(*piece)).count() as u32;
    if here > 0 {
        let next = pieces.start + here;
        let end = if next >= pieces.end { bytes.end } else { geometry.piece_range(PieceIndex(next)).start };
        return Ok(Some(end.min(bytes.end)));
    }
    if entry.settings.read_only {
        let name = entry.info().name();
        let message = format!(
            "{name}: piece {} is missing, and the torrent was added to be seeded only; add it without that",
            pieces.start
        );
        return Err(Error::Disk(Trouble::new("read_only", message)));
    }
    Ok(None)
}
