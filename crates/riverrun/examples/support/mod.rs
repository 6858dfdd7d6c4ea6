//! What the examples share: a torrent made on the spot, and a client on loopback that seeds it.
#![allow(dead_code, reason = "each example uses a part of it")]

use std::path::PathBuf;

use metainfo::create::Builder;
use metainfo::{Attributes, Place};
use riverrun::{Client, ClientBuilder, Metainfo};

/// What examples return.
pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A seed, its torrent, and a directory that is deleted with it.
pub(crate) struct Demo {
    pub(crate) seed: Client,
    pub(crate) metainfo: Metainfo,
    pub(crate) dir: PathBuf,
    /// The bytes of all files, one after the other.
    pub(crate) data: Vec<u8>,
}

impl Drop for Demo {
    fn drop(&mut self) {
        // What is left is the system's to clear away.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Demo {
    /// Seeds a torrent `demo` of these files, in pieces of 64 KiB.
    pub(crate) async fn start(files: &[(&str, usize)]) -> Result<Demo> {
        let name = std::env::args().next().unwrap_or_default();
        let name = std::path::Path::new(&name).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let dir = std::env::temp_dir().join(format!("riverrun-{name}-{}", std::process::id()));
        let data: Vec<u8> = (0..files.iter().map(|file| file.1).sum()).map(|n| (n / 7 % 251) as u8).collect();
        let (from, mut at) = (dir.join("seed"), 0);
        std::fs::create_dir_all(from.join("demo"))?;
        for (name, len) in files {
            std::fs::write(from.join("demo").join(name), &data[at..at + len])?;
            at += len;
        }
        let metainfo = describe(files, &data)?;
        let seed = loopback()?.download_dir(from).build()?;
        seed.add(metainfo.clone()).await?.wait_complete().await?;
        Ok(Demo { seed, metainfo, dir, data })
    }

    /// A second client on loopback, to download into a directory beside the seed's.
    pub(crate) fn client(&self) -> Result<ClientBuilder> {
        Ok(loopback()?.download_dir(self.dir.join("download")))
    }
}

/// Settings of a client that keeps to this machine.
pub(crate) fn loopback() -> Result<ClientBuilder> {
    Ok(Client::builder().listen(["127.0.0.1:0".parse()?]).ipv4_only().no_trackers().lsd(false))
}

/// A torrent of these files, hashed here and now.
fn describe(files: &[(&str, usize)], data: &[u8]) -> Result<Metainfo> {
    let mut builder = Builder::new("demo").piece_len(65_536);
    for (name, len) in files {
        builder = builder.file([*name], *len as u64, Attributes::default());
    }
    let mut plan = builder.plan()?;
    for piece in plan.geometry().piece_indexes() {
        let mut bytes = Vec::new();
        for extent in plan.extents(piece) {
            if let Place::File { file, offset } = extent.place {
                let before: usize = files[..plan.source(file).unwrap_or(0)].iter().map(|file| file.1).sum();
                let start = before + offset as usize;
                bytes.extend_from_slice(&data[start..start + extent.len as usize]);
            }
        }
        plan.set_v1(piece, hash::sha1(&bytes))?;
    }
    Ok(plan.finish()?)
}
