//! The connections of a shard, by slot and generation.

use engine::ConnId;

/// A slab: a name of a connection that is gone finds nothing, even when its slot is in use again.
#[derive(Debug)]
pub(crate) struct Table<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot<T> {
    id: ConnId,
    generation: u32,
    value: Option<Box<T>>,
}

impl<T> Table<T> {
    pub(crate) fn new() -> Table<T> {
        Table { slots: Vec::new(), free: Vec::new() }
    }

    pub(crate) fn insert(&mut self, value: T) -> ConnId {
        let slot = self.free.pop().unwrap_or_else(|| {
            let slot = self.slots.len() as u32;
            self.slots.push(Slot { id: ConnId::new(slot, 0), generation: 0, value: None });
            slot
        });
        let entry = &mut self.slots[slot as usize];
        entry.id = ConnId::new(slot, entry.generation);
        entry.value = Some(Box::new(value));
        entry.id
    }

    pub(crate) fn get_mut(&mut self, id: ConnId) -> Option<&mut T> {
        let slot = self.slots.get_mut(id.slot()).filter(|slot| slot.id == id)?;
        slot.value.as_deref_mut()
    }

    pub(crate) fn get(&self, id: ConnId) -> Option<&T> {
        let slot = self.slots.get(id.slot()).filter(|slot| slot.id == id)?;
        slot.value.as_deref()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|slot| slot.value.as_deref())
    }

    pub(crate) fn remove(&mut self, id: ConnId) -> Option<T> {
        let slot = self.slots.get_mut(id.slot()).filter(|slot| slot.id == id)?;
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(id.slot() as u32);
        Some(*value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_name_does_not_reach_the_successor() {
        let mut table = Table::new();
        let (a, b) = (table.insert('a'), table.insert('b'));
        assert_eq!(table.remove(a), Some('a'));
        assert_eq!(table.remove(a), None);
        let c = table.insert('c');
        assert_eq!(c.slot(), a.slot());
        assert_eq!((table.get(a), table.get(c)), (None, Some(&'c')));
        assert_eq!(table.get_mut(b), Some(&mut 'b'));
        assert_eq!(table.get(ConnId::new(99, 0)), None);
    }
}
