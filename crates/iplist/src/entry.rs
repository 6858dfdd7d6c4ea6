//! What lists are made of: ranges of one family, and names by number.

/// What has no name.
pub(crate) const NO_NAME: u32 = u32::MAX;

/// A range of one family with the number of its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry<T> {
    pub(crate) first: T,
    pub(crate) last: T,
    pub(crate) name: u32,
}

/// Names by number, their text in one piece.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Names {
    text: String,
    /// Where each ends in the text.
    ends: Vec<u32>,
}

impl Names {
    /// Adds a name; nothing where the text would go over `limit` bytes.
    pub(crate) fn push(&mut self, name: &str, limit: usize) -> Option<u32> {
        let id = u32::try_from(self.ends.len()).ok().filter(|id| *id != NO_NAME)?;
        let end = self.text.len().checked_add(name.len()).filter(|end| *end <= limit)?;
        self.ends.push(u32::try_from(end).ok()?);
        self.text.push_str(name);
        Some(id)
    }

    pub(crate) fn get(&self, id: u32) -> Option<&str> {
        let end = *self.ends.get(id as usize)? as usize;
        let start = id.checked_sub(1).map_or(0, |before| self.ends[before as usize] as usize);
        self.text.get(start..end)
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn ends(&self) -> &[u32] {
        &self.ends
    }
}
