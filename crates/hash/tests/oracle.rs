//! Every kernel against the RustCrypto implementations.

use proptest::prelude::*;
use riverrun_hash::{self as hash, Backend, Kernel, Sha1, Sha256};
use sha1::Digest as _;

fn oracle1(data: &[u8]) -> [u8; 20] {
    sha1::Sha1::digest(data).into()
}

fn oracle256(data: &[u8]) -> [u8; 32] {
    sha2::Sha256::digest(data).into()
}

/// The chosen backend and each kernel that this machine has, forced.
fn backends() -> Vec<(String, Backend)> {
    let forced = Kernel::ALL.into_iter().filter(|kernel| kernel.available());
    let forced = forced.map(|kernel| (kernel.to_string(), Backend::with_kernel(kernel).expect("available")));
    std::iter::once(("chosen".to_owned(), *hash::backend())).chain(forced).collect()
}

/// Bytes that repeat with no period near a block or lane count.
fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        (x >> 32) as u8
    };
    (0..len).map(|_| next()).collect()
}

fn check_many(name: &str, backend: &Backend, messages: &[&[u8]]) {
    let mut out1 = vec![[0; 20]; messages.len()];
    let mut out256 = vec![[0; 32]; messages.len()];
    backend.sha1_many(messages, &mut out1);
    backend.sha256_many(messages, &mut out256);
    for (i, message) in messages.iter().enumerate() {
        assert_eq!(out1[i], oracle1(message), "{name}: SHA-1 of message {i} of {}", messages.len());
        assert_eq!(out256[i], oracle256(message), "{name}: SHA-256 of message {i} of {}", messages.len());
    }
}

/// Each message is fed as its pieces, one round of `update_many` for each piece number.
fn check_updates(name: &str, backend: &Backend, messages: &[Vec<&[u8]>]) {
    let mut states1 = vec![Sha1::new(); messages.len()];
    let mut states256 = vec![Sha256::new(); messages.len()];
    for round in 0..messages.iter().map(Vec::len).max().unwrap_or(0) {
        let piece = |i: usize| messages[i].get(round).copied();
        let mut jobs1: Vec<_> =
            states1.iter_mut().enumerate().filter_map(|(i, state)| Some((state, piece(i)?))).collect();
        backend.update_many_sha1(&mut jobs1);
        let mut jobs256: Vec<_> =
            states256.iter_mut().enumerate().filter_map(|(i, state)| Some((state, piece(i)?))).collect();
        backend.update_many_sha256(&mut jobs256);
    }
    for (i, (one, two)) in states1.into_iter().zip(states256).enumerate() {
        let whole = messages[i].concat();
        assert_eq!(one.absorbed(), whole.len() as u64);
        assert_eq!(one.finalize(), oracle1(&whole), "{name}: SHA-1 of stream {i} of {}", messages.len());
        assert_eq!(two.finalize(), oracle256(&whole), "{name}: SHA-256 of stream {i} of {}", messages.len());
    }
}

#[test]
fn known_answers() {
    // FIPS 180-4 examples.
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    for (name, backend) in backends() {
        assert_eq!(hex(&backend.sha1(b"abc")), "a9993e364706816aba3e25717850c26c9cd0d89d", "{name}");
        assert_eq!(
            hex(&backend.sha256(b"abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "{name}"
        );
    }
}

#[test]
fn every_short_length_alone() {
    let data = noise(300, 1);
    for (name, backend) in backends() {
        for len in 0..=300 {
            assert_eq!(backend.sha1(&data[..len]), oracle1(&data[..len]), "{name}, {len} bytes");
            assert_eq!(backend.sha256(&data[..len]), oracle256(&data[..len]), "{name}, {len} bytes");
        }
    }
}

#[test]
fn every_short_length_together() {
    let data = noise(700, 2);
    let messages: Vec<&[u8]> = (0..=300).map(|len| &data[len..2 * len]).collect();
    for (name, backend) in backends() {
        check_many(&name, &backend, &messages);
    }
}

#[test]
fn every_lane_count() {
    let data = noise(6000, 3);
    for (name, backend) in backends() {
        for lanes in 0..=40 {
            let equal: Vec<&[u8]> = (0..lanes).map(|i| &data[i..i + 1024]).collect();
            check_many(&name, &backend, &equal);
            let unequal: Vec<&[u8]> = (0..lanes).map(|i| &data[i..i + i * 7919 % 3000]).collect();
            check_many(&name, &backend, &unequal);
            let streams: Vec<Vec<&[u8]>> =
                unequal.iter().map(|message| message.chunks(257).collect()).collect();
            check_updates(&name, &backend, &streams);
        }
    }
}

#[test]
fn every_split_point() {
    let data = noise(300, 4);
    for (name, backend) in backends() {
        // All splits of messages around two blocks, as streams of one set.
        for len in [63, 64, 65, 127, 128, 129, 300] {
            let streams: Vec<Vec<&[u8]>> = (0..=len).map(|at| vec![&data[..at], &data[at..len]]).collect();
            check_updates(&name, &backend, &streams);
        }
    }
}

#[test]
fn long_and_short_streams_together() {
    let data = noise(70_000, 5);
    for (name, backend) in backends() {
        for count in [2, 3, 5, 17, 33] {
            let messages: Vec<&[u8]> =
                (0..count).map(|i| if i % 3 == 0 { &data[i..66_000] } else { &data[i..i * 100] }).collect();
            check_many(&name, &backend, &messages);
        }
    }
}

#[test]
fn merkle_level() {
    let nodes: Vec<[u8; 32]> = (0..90).map(|i| oracle256(&[i])).collect();
    for (name, backend) in backends() {
        for parents in 0..=45 {
            let mut out = vec![[0; 32]; parents];
            backend.sha256_pairs(&nodes[..2 * parents], &mut out);
            for (pair, parent) in nodes.chunks(2).zip(&out) {
                assert_eq!(*parent, oracle256(pair.as_flattened()), "{name}, {parents} parents");
            }
        }
    }
}

#[test]
fn reset_and_clone() {
    let mut state = Sha1::new();
    state.update(b"one");
    let mut copy = state.clone();
    assert_eq!(state.finalize_reset(), oracle1(b"one"));
    state.update(b"two");
    assert_eq!(state.finalize(), oracle1(b"two"));
    copy.update(b"!");
    assert_eq!(copy.clone().finalize(), oracle1(b"one!"));
    copy.reset();
    assert_eq!(copy.absorbed(), 0);
    assert_eq!(copy.finalize(), oracle1(b""));
}

#[test]
fn backend_describes_itself() {
    let chosen = hash::backend();
    assert!((1..=16).contains(&chosen.lanes()));
    assert!(chosen.to_string().starts_with("SHA-1: "));
    for kernel in Kernel::ALL {
        if let Some(forced) = Backend::with_kernel(kernel) {
            assert_eq!(forced.lanes(), kernel.lanes(), "{kernel}");
        }
    }
}

#[test]
#[should_panic(expected = "as many digests as messages")]
fn digest_count_is_checked() {
    hash::sha1_many(&[b"a"], &mut []);
}

#[test]
#[should_panic(expected = "two nodes for each parent")]
fn node_count_is_checked() {
    hash::sha256_pairs(&[[0; 32]; 3], &mut [[0; 32]; 1]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_streams(lens in prop::collection::vec((0usize..5000, 1usize..900), 0..40), seed: u64) {
        let data: Vec<(Vec<u8>, usize)> = lens
            .iter()
            .enumerate()
            .map(|(i, &(len, piece))| (noise(len, seed.wrapping_add(i as u64)), piece))
            .collect();
        let whole: Vec<&[u8]> = data.iter().map(|(bytes, _)| bytes.as_slice()).collect();
        let pieces: Vec<Vec<&[u8]>> = data.iter().map(|(bytes, piece)| bytes.chunks(*piece).collect()).collect();
        for (name, backend) in backends() {
            check_many(&name, &backend, &whole);
            check_updates(&name, &backend, &pieces);
        }
    }
}
