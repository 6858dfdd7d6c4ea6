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

/// Networks around this one, each joined to it by a cable; who is in one reaches those in the others, and those here.
pub(crate) struct Star {
    /// The first two numbers of every address.
    net: String,
    arms: Vec<Network>,
}

impl Star {
    /// With so many networks around it.
    pub(crate) fn new(arms: usize) -> Result<Star> {
        // Others may stand beside this one.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut star = Star { net: format!("10.{}", 100 + number % 100), arms: Vec::new() };
        for n in 0..arms {
            let mut arm = Network::new()?;
            let (here, there) = (star.here(n), star.there(n));
            let names = (format!("star{number}h{n}"), format!("star{number}t{n}"));
            arm.cable((&names.0, &[&format!("{here}/24")]), (&names.1, &[&format!("{there}/24")]))?;
            arm.run(&format!("ip route add default via {here}"))?;
            star.arms.push(arm);
        }
        run("sysctl -q -w net.ipv4.ip_forward=1")?;
        Ok(star)
    }

    /// The network of an arm.
    pub(crate) fn arm(&self, n: usize) -> &Network {
        &self.arms[n]
    }

    /// The address here on the cable to an arm.
    pub(crate) fn here(&self, n: usize) -> String {
        format!("{}.{n}.1", self.net)
    }

    /// The address in an arm.
    pub(crate) fn there(&self, n: usize) -> String {
        format!("{}.{n}.2", self.net)
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
