//! A second network beside the one that the cells run in, joined to it by a cable.

use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{Result, process};

/// A network namespace; it ends with the value, and its cables with it.
pub(crate) struct Network {
    name: String,
    /// The near ends of its cables.
    cables: Vec<String>,
}

impl Network {
    /// A new one, with its loopback up.
    pub(crate) fn new() -> Result<Network> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        static PLACE: OnceLock<std::result::Result<(), String>> = OnceLock::new();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        PLACE
            .get_or_init(|| {
                // Names of networks are files; these are ours alone, since the mounts are.
                let made = run("mkdir -p /run/netns").and_then(|()| run("mount -t tmpfs tmpfs /run/netns"));
                made.map_err(|error| error.to_string())
            })
            .clone()?;
        let name = format!("cell{number}");
        run(&format!("ip netns add {name}"))?;
        let network = Network { name, cables: Vec::new() };
        network.run("ip link set lo up")?;
        Ok(network)
    }

    /// What `ip` calls it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Lays a cable from here to there: interfaces of these names with these addresses.
    pub(crate) fn cable(&mut self, here: (&str, &[&str]), there: (&str, &[&str])) -> Result {
        run(&format!("ip link add {} type veth peer name {} netns {}", here.0, there.0, self.name))?;
        self.cables.push(here.0.to_owned());
        for addr in here.1 {
            run(&format!("ip addr add {addr} dev {}{}", here.0, nodad(addr)))?;
        }
        for addr in there.1 {
            self.run(&format!("ip addr add {addr} dev {}{}", there.0, nodad(addr)))?;
        }
        run(&format!("ip link set {} up", here.0))?;
        self.run(&format!("ip link set {} up", there.0))
    }

    /// Runs a program there, to its end; its words have no blanks in them.
    pub(crate) fn run(&self, words: &str) -> Result {
        run(&format!("ip netns exec {} {words}", self.name))
    }

    /// The same command, there.
    pub(crate) fn wrap(&self, command: &Command) -> Command {
        let mut wrapped = Command::new("ip");
        wrapped.args(["netns", "exec", &self.name]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => wrapped.env(name, value),
                None => wrapped.env_remove(name),
            };
        }
        wrapped
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // The system takes its time with a network; the names of its cables are wanted again at once. The walls come down
        // after the run in any case.
        for cable in &self.cables {
            let _ = run(&format!("ip link del {cable}"));
        }
        let _ = run(&format!("ip netns del {}", self.name));
    }
}

/// An address is good at once, without asking whether somebody has it.
fn nodad(addr: &str) -> &'static str {
    if addr.contains(':') { " nodad" } else { "" }
}

/// Runs a program here, to its end; its words have no blanks in them.
pub(crate) fn run(words: &str) -> Result {
    let mut words = words.split_whitespace();
    let program = words.next().ok_or("no program")?;
    process::run(Command::new(program).args(words)).map(drop)
}
