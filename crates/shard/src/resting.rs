//! A torrent that nothing has happened to.

use engine::{Command, Input};
use types::{InfoHashes, Rng, Time};

use crate::Added;
use crate::member::Member;

/// A torrent of which nothing is under way and nobody was heard: what it was added with. Whatever happens to it makes it
/// the member that it would be if it had been one from the beginning.
#[derive(Debug)]
pub(crate) struct Resting {
    added: Added,
    since: Time,
    /// Since when it runs; none where it is paused.
    runs: Option<Time>,
    rng: Rng,
}

impl Resting {
    /// Whether a torrent may rest: not where it has work from the start, as content to be fetched, blocks to be hashed or
    /// padding to be judged.
    pub(crate) fn may(added: &Added) -> bool {
        let rests = |content: &engine::Content| {
            content.unhashed.is_empty() && content.geometry.padding_pieces().next().is_none()
        };
        added.info.is_some() && added.params.content.as_ref().is_some_and(rests)
    }

    /// A torrent that may rest, paused.
    pub(crate) fn new(added: Added, now: Time, rng: Rng) -> Resting {
        Resting { added, since: now, runs: None, rng }
    }

    /// Its names.
    pub(crate) fn names(&self) -> InfoHashes {
        self.added.params.hashes
    }

    /// Takes in a command. False where it has to be awake for that.
    pub(crate) fn takes(&mut self, now: Time, command: &Command) -> bool {
        match command {
            Command::Start => self.runs = Some(now),
            Command::Pause => self.runs = None,
            _ => return false,
        }
        true
    }

    /// What it is when it is awake.
    pub(crate) fn member(&self) -> Member {
        let mut member = Member::new(self.added.clone(), self.since, self.rng.clone());
        if let Some(at) = self.runs {
            member.inform(at, Input::Command(Command::Start));
        }
        member
    }
}
