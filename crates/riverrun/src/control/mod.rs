//! The control plane: tasks on the client's own small runtime. Nothing here is on the way of a block.

mod add;
mod announce;
mod assign;
mod change;
mod data;
mod dht;
mod end;
mod files;
mod finds;
mod hold;
mod magnet;
mod names;
mod neighbours;
mod pump;
mod queue;
mod rivals;
mod save;
mod similar;
mod swarm;
mod upkeep;

pub(crate) use self::dht::{dht_bootstrap, dht_peers, dht_ports};
pub(crate) use add::{add, wanted_files};
pub(crate) use announce::announce_loop;
pub(crate) use change::{
    add_trackers, addresses, pause, prioritize, recheck, resume, set_goal, set_limiter, set_max_peers,
    set_priority, set_rates, set_share_mode, set_super_seeding, set_upload, set_wanted, snapshot,
};
pub(crate) use end::{close, remove};
pub(crate) use files::{move_data, rename};
pub(crate) use finds::finds;
#[cfg(test)]
pub(crate) use hold::barrier;
pub(crate) use magnet::download;
pub(crate) use neighbours::neighbours;
pub(crate) use pump::pump;
pub(crate) use upkeep::upkeep;

#[cfg(test)]
mod tests;
