//! `--name value` pairs.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::Result;

/// What follows the command.
pub(crate) struct Args(BTreeMap<String, String>);

impl Args {
    pub(crate) fn parse(args: impl Iterator<Item = String>) -> Result<Args> {
        let (mut map, mut args) = (BTreeMap::new(), args);
        while let Some(name) = args.next() {
            let name =
                name.strip_prefix("--").ok_or_else(|| format!("unknown argument `{name}`"))?.to_owned();
            let value = args.next().ok_or_else(|| format!("--{name} needs a value"))?;
            map.insert(name, value);
        }
        Ok(Args(map))
    }

    /// Refuses what is none of these names.
    pub(crate) fn only(&self, names: &[&str]) -> Result {
        match self.0.keys().find(|name| !names.contains(&name.as_str())) {
            Some(name) => Err(format!("there is no --{name}; there are --{}", names.join(", --")).into()),
            None => Ok(()),
        }
    }

    pub(crate) fn find<T: FromStr>(&self, name: &str) -> Result<Option<T>> {
        let parse = |text: &String| text.parse().map_err(|_| format!("--{name}: `{text}` is not understood"));
        Ok(self.0.get(name).map(parse).transpose()?)
    }

    pub(crate) fn get<T: FromStr>(&self, name: &str) -> Result<T> {
        Ok(self.find(name)?.ok_or_else(|| format!("--{name} is missing"))?)
    }

    /// The info hash, in hex.
    pub(crate) fn hash(&self) -> Result<[u8; 20]> {
        let hex: String = self.get("hash")?;
        let mut hash = [0; 20];
        for (n, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(hex.get(2 * n..2 * n + 2).ok_or("an info hash has 40 digits")?, 16)?;
        }
        Ok(hash)
    }
}
