//! The control plane: tasks on the client's own small runtime. Nothing here is on the way of a block.

mod add;
mod change;
mod data;
mod end;
mod hold;
mod local;
mod magnet;
mod names;
mod pump;
mod trackers;
mod upkeep;

pub(crate) use add::{add, wanted_files};
pub(crate) use change::{
    add_trackers, addresses, pause, prioritize, recheck, resume, set_goal, set_priority, set_wanted, snapshot,
};
pub(crate) use data::Lost;
pub(crate) use end::{close, remove};
#[cfg(test)]
pub(crate) use hold::barrier;
pub use local::PortMapping;
pub(crate) use local::{Local, neighbours};
pub(crate) use magnet::Waiting;
pub(crate) use pump::pump;
pub(crate) use trackers::{Trackers, announce_loop};
pub(crate) use upkeep::upkeep;

#[cfg(test)]
mod tests;
