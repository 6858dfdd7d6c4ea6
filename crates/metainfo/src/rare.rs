//! Values that few torrents have, kept so that they take a pointer where there are none.

use std::ops::{Deref, DerefMut};

/// A value that is nearly always [`Nothing::NOTHING`], and then takes no memory of its own. To change it makes it.
#[derive(Clone, Debug)]
pub(crate) struct Rare<T>(Option<Box<T>>);

/// What says nothing, as most do.
pub(crate) trait Nothing: Clone + Default + PartialEq + 'static {
    /// The same as the default.
    const NOTHING: &'static Self;
}

impl<T: Nothing> From<T> for Rare<T> {
    fn from(value: T) -> Rare<T> {
        Rare((value != *T::NOTHING).then(|| Box::new(value)))
    }
}

impl<T> Default for Rare<T> {
    fn default() -> Rare<T> {
        Rare(None)
    }
}

impl<T: Nothing> PartialEq for Rare<T> {
    fn eq(&self, other: &Rare<T>) -> bool {
        **self == **other
    }
}

impl<T: Nothing + Eq> Eq for Rare<T> {}

impl<T: Nothing> Deref for Rare<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::NOTHING)
    }
}

impl<T: Nothing> DerefMut for Rare<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}
