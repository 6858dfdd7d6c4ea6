//! The extension protocol (BEP 10): which messages we take, under which ids, and what each peer calls them.
//!
//! Ids belong to whoever receives the message. Ours are fixed and small; those of users' own extensions come
//! after [`FIRST_CUSTOM`], in the order of [`Config::extensions`](crate::Config::extensions). What a peer's
//! handshake names is looked up once and kept as a short row of numbers, so that a peer can't make it grow.

mod holepunch;
pub(crate) mod metadata;
mod pex;
pub(crate) mod serve;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use types::Time;
use wire::extended::{ExtendedHandshake, Extensions, name};

use crate::Config;
pub(crate) use holepunch::{Meetings, Ration, Target, relay};
pub(crate) use pex::{Heard, Told, Verdict};

/// The id of the first extension of a user.
pub(crate) const FIRST_CUSTOM: u8 = 17;
/// Most extensions of users.
pub(crate) const MAX_CUSTOM: usize = 64;
/// Longest name of one, in bytes.
pub(crate) const MAX_NAME: usize = 64;
/// Longest payload of a user's extension, in bytes.
pub(crate) const MAX_CUSTOM_LEN: usize = 64 << 10;
/// What one peer may send to users' extensions in a second, in bytes.
const CUSTOM_RATE: f64 = 65_536.0;
/// What a message costs beside its payload, in bytes.
const OVERHEAD: usize = 64;
/// What it may send at once, after a silence.
const BURST: usize = MAX_CUSTOM_LEN + OVERHEAD;

/// An extension we understand.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Extension {
    /// The info dictionary (BEP 9).
    Metadata,
    /// Peer exchange (BEP 11).
    Pex,
    /// A piece is gone (BEP 54).
    DontHave,
    /// Meeting through a third peer (BEP 55).
    Holepunch,
    /// Nothing is downloaded any more, or again (BEP 21).
    UploadOnly,
    /// The user's extension of this number.
    Custom(u8),
}

/// Those with a number of their own, in the order of their ids from 1 on.
const BUILT_IN: [Extension; 5] =
    [Extension::Metadata, Extension::Pex, Extension::DontHave, Extension::Holepunch, Extension::UploadOnly];

/// Those that are offered to peers: what stands here has an arm in `Torrent::extension`.
const OFFERED: [Extension; 5] =
    [Extension::Metadata, Extension::Pex, Extension::DontHave, Extension::Holepunch, Extension::UploadOnly];

impl Extension {
    /// By which id peers send it to us.
    pub(crate) fn id(self) -> u8 {
        match self {
            Extension::Custom(n) => FIRST_CUSTOM + n,
            built_in => BUILT_IN.iter().position(|e| *e == built_in).map_or(0, |at| at as u8 + 1),
        }
    }

    /// What a message with this id, sent to us, is for.
    pub(crate) fn of(id: u8, config: &Config) -> Option<Extension> {
        if let Some(n) = id.checked_sub(FIRST_CUSTOM) {
            return (usize::from(n) < config.extensions.len()).then_some(Extension::Custom(n));
        }
        let extension = *BUILT_IN.get(usize::from(id).checked_sub(1)?)?;
        OFFERED.contains(&extension).then_some(extension)
    }

    /// Its name in the handshake.
    pub(crate) fn name(self, config: &Config) -> &str {
        match self {
            Extension::Metadata => name::UT_METADATA,
            Extension::Pex => name::UT_PEX,
            Extension::DontHave => name::LT_DONTHAVE,
            Extension::Holepunch => name::UT_HOLEPUNCH,
            Extension::UploadOnly => name::UPLOAD_ONLY,
            Extension::Custom(n) => config.extensions.get(usize::from(n)).map_or("", |name| name),
        }
    }

    /// Longest payload that an honest peer sends, in bytes.
    pub(crate) fn max_len(self) -> usize {
        match self {
            // A piece of 16 KiB and the dictionary before it.
            Extension::Metadata => (16 << 10) + 4_096,
            Extension::Pex => wire::extended::Pex::MAX_LEN,
            Extension::DontHave => 4,
            Extension::Holepunch => 64,
            Extension::UploadOnly => 1,
            Extension::Custom(_) => MAX_CUSTOM_LEN,
        }
    }
}

/// Whether users may call an extension so.
pub(crate) fn is_legal_name(name: &str) -> bool {
    let reserved =
        [name::UT_METADATA, name::UT_PEX, name::LT_DONTHAVE, name::UT_HOLEPUNCH, name::UPLOAD_ONLY];
    (1..=MAX_NAME).contains(&name.len()) && !reserved.contains(&name)
}

/// What changes from torrent to torrent, and from peer to peer, in the handshake we send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ours {
    /// The peer's address as we see it.
    pub(crate) peer: IpAddr,
    /// Length of the info dictionary, where it is here.
    pub(crate) metadata_size: Option<u32>,
    /// Nothing is wanted.
    pub(crate) upload_only: bool,
    /// Whether it is fetched only to be passed on; nothing where that was never so.
    pub(crate) share_mode: Option<bool>,
    /// Peers are not to learn of each other here (BEP 27).
    pub(crate) private: bool,
}

/// The payload of the handshake that we send. An anonymous client leaves out what it is, and where it thinks that either
/// end is (BEP 37).
pub(crate) fn handshake(config: &Config, ours: Ours) -> Vec<u8> {
    let custom = (0..config.extensions.len()).map(|n| Extension::Custom(n as u8));
    let refused = |e: &Extension| match e {
        Extension::Pex => ours.private || !config.pex,
        Extension::Holepunch => ours.private,
        _ => false,
    };
    let offered = OFFERED.into_iter().filter(|e| !refused(e)).chain(custom);
    let extensions: Extensions = offered.map(|e| (e.name(config), e.id())).collect();
    let needed = ExtendedHandshake {
        extensions,
        request_queue: Some(config.accept_requests),
        metadata_size: ours.metadata_size,
        upload_only: ours.upload_only.then_some(true),
        share_mode: ours.share_mode,
        ..ExtendedHandshake::default()
    };
    if config.anonymous.is_some() {
        return needed.encode();
    }
    let handshake = ExtendedHandshake {
        client: Some(config.client_name.clone()),
        port: config.listen_port,
        your_ip: Some(ours.peer.to_canonical()),
        ipv4: config.public_v4,
        ipv6: config.public_v6,
        ..needed
    };
    handshake.encode()
}

/// What one peer said in its extended handshakes.
#[derive(Clone, Debug)]
pub(crate) struct Theirs {
    /// Its first one has come.
    pub(crate) greeted: bool,
    /// The ids it wants our messages under, 0 for what it does not understand.
    built_in: [u8; BUILT_IN.len()],
    custom: Vec<u8>,
    /// Since when it downloads nothing (BEP 21).
    pub(crate) upload_only: Option<Time>,
    /// It fetches only what it can pass on several times.
    pub(crate) share_mode: bool,
    /// It would rather have its connections encrypted.
    pub(crate) prefers_encryption: bool,
    /// Other addresses of it.
    pub(crate) ipv4: Option<Ipv4Addr>,
    pub(crate) ipv6: Option<Ipv6Addr>,
    /// What it may send to users' extensions, in bytes, as of a moment.
    allowance: (usize, Time),
}

impl Theirs {
    /// A peer that has not said anything.
    pub(crate) fn new(now: Time) -> Theirs {
        Theirs {
            greeted: false,
            built_in: [0; BUILT_IN.len()],
            custom: Vec::new(),
            upload_only: None,
            share_mode: false,
            prefers_encryption: false,
            ipv4: None,
            ipv6: None,
            allowance: (BURST, now),
        }
    }

    /// Takes in a handshake, the first or a later one: what it names changes, all else stays (BEP 10).
    pub(crate) fn update(&mut self, now: Time, config: &Config, handshake: &ExtendedHandshake) {
        self.greeted = true;
        self.custom.resize(config.extensions.len(), 0);
        let named = |name: &str| {
            let mut all = handshake.extensions.iter();
            all.find(|(theirs, _)| *theirs == name.as_bytes()).map(|(_, id)| id)
        };
        for (extension, slot) in BUILT_IN.into_iter().zip(&mut self.built_in) {
            *slot = named(extension.name(config)).unwrap_or(*slot);
        }
        for (name, slot) in config.extensions.iter().zip(&mut self.custom) {
            *slot = named(name).unwrap_or(*slot);
        }
        if let Some(on) = handshake.upload_only {
            self.say_upload_only(now, on);
        }
        self.share_mode = handshake.share_mode.unwrap_or(self.share_mode);
        self.prefers_encryption = handshake.prefers_encryption.unwrap_or(self.prefers_encryption);
        self.ipv4 = handshake.ipv4.or(self.ipv4);
        self.ipv6 = handshake.ipv6.or(self.ipv6);
    }

    /// The peer says that it downloads nothing, or that it does.
    pub(crate) fn say_upload_only(&mut self, now: Time, on: bool) {
        self.upload_only = on.then(|| self.upload_only.unwrap_or(now));
    }

    /// The id under which the peer wants messages of this extension, where it understands it.
    pub(crate) fn id(&self, extension: Extension) -> Option<u8> {
        let id = match extension {
            Extension::Custom(n) => self.custom.get(usize::from(n)).copied(),
            built_in => self.built_in.get(usize::from(built_in.id()) - 1).copied(),
        };
        id.filter(|id| *id != 0)
    }

    /// Whether a payload for a user's extension is within what the peer may send.
    pub(crate) fn admits(&mut self, now: Time, bytes: usize) -> bool {
        let (left, since) = self.allowance;
        let earned = (now.since(since).as_secs_f64() * CUSTOM_RATE) as usize;
        let left = left.saturating_add(earned).min(BURST);
        // A message costs something even where it is empty.
        let rest = left.checked_sub(bytes + OVERHEAD);
        self.allowance = (rest.unwrap_or(left), now);
        rest.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;
    use types::PeerId;

    fn config() -> Config {
        let mut config = Config::new(PeerId([1; 20]));
        config.extensions = vec![Arc::from("xy_first"), Arc::from("xy_second")];
        config.listen_port = Some(6881);
        config.public_v4 = Some(Ipv4Addr::new(192, 0, 2, 1));
        config.public_v6 = Some("2001:db8::1".parse().unwrap());
        config
    }

    #[test]
    fn the_handshake_has_every_key() {
        let ours = Ours {
            peer: "::ffff:127.0.0.9".parse().unwrap(),
            metadata_size: Some(31_235),
            upload_only: true,
            share_mode: Some(true),
            private: false,
        };
        let h = ExtendedHandshake::decode(&handshake(&config(), ours)).unwrap();
        assert_eq!((h.extensions.id("ut_metadata"), h.extensions.id("upload_only")), (Some(1), Some(5)));
        assert_eq!((h.extensions.id("xy_first"), h.extensions.id("xy_second")), (Some(17), Some(18)));
        assert_eq!((h.port, h.request_queue, h.metadata_size), (Some(6881), Some(2_000), Some(31_235)));
        assert_eq!(h.your_ip, Some(IpAddr::from([127, 0, 0, 9])));
        assert_eq!((h.ipv4, h.ipv6), (config().public_v4, config().public_v6));
        assert_eq!((h.upload_only, h.share_mode, h.complete_ago), (Some(true), Some(true), None));
        assert!(h.client.unwrap().starts_with("riverrun/"));
        let ours = Ours { metadata_size: None, upload_only: false, share_mode: None, private: true, ..ours };
        let h = ExtendedHandshake::decode(&handshake(&config(), ours)).unwrap();
        assert_eq!((h.metadata_size, h.upload_only, h.share_mode), (None, None, None));
        assert_eq!((h.extensions.id("ut_pex"), h.extensions.id("ut_holepunch")), (None, None));
    }

    #[test]
    fn ids_lead_back_to_what_is_offered() {
        let config = config();
        for extension in OFFERED.into_iter().chain([Extension::Custom(0), Extension::Custom(1)]) {
            assert_eq!(Extension::of(extension.id(), &config), Some(extension));
        }
        for id in [0, 6, 16, 19, 255] {
            assert_eq!(Extension::of(id, &config), None, "{id}");
        }
    }

    #[test]
    fn a_later_handshake_changes_what_it_names() {
        let (config, mut theirs) = (config(), Theirs::new(Time::ZERO));
        let mut say = |bytes: &[u8]| {
            theirs.update(Time::ZERO, &config, &ExtendedHandshake::decode(bytes).unwrap());
            let all = [Extension::Metadata, Extension::Pex, Extension::Custom(1)];
            (all.map(|e| theirs.id(e)), theirs.upload_only.is_some())
        };
        assert_eq!(say(b"d1:md11:ut_metadatai9e6:ut_pexi3eee"), ([Some(9), Some(3), None], false));
        assert_eq!(
            say(b"d1:md6:ut_pexi0e9:xy_secondi200ee11:upload_onlyi1ee"),
            ([Some(9), None, Some(200)], true)
        );
        assert_eq!(say(b"de"), ([Some(9), None, Some(200)], true));
    }

    #[test]
    fn payloads_of_users_are_rationed() {
        let mut theirs = Theirs::new(Time::ZERO);
        assert!(theirs.admits(Time::ZERO, MAX_CUSTOM_LEN));
        assert!(!theirs.admits(Time::ZERO, 1));
        let (mut now, mut passed) = (Time::ZERO, 0);
        for _ in 0..1_000 {
            now += Duration::from_millis(10);
            passed += if theirs.admits(now, 2_000) { 2_000 } else { 0 };
        }
        assert!((500_000..=660_000).contains(&passed), "{passed} bytes in 10 s");
        assert!(theirs.admits(now + Duration::from_secs(1), MAX_CUSTOM_LEN));
    }

    #[test]
    fn users_may_not_take_the_names_of_others() {
        assert!(is_legal_name("xy_first"));
        let long = "x".repeat(65);
        for name in ["", "ut_pex", "ut_metadata", &long] {
            assert!(!is_legal_name(name));
        }
    }
}
