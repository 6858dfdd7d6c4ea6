//! Prints the throughput of every kernel that this machine has, in GB/s (10^9 bytes per second), one thread.
//!
//! `cargo run --release -p riverrun-hash --example throughput`
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::{hint::black_box, time::Instant};

use riverrun_hash::{Backend, Kernel, Sha1, Sha256};

const COUNTS: [usize; 11] = [1, 2, 3, 4, 6, 8, 10, 12, 16, 24, 32];

/// Pool buffers are aligned to pages; so are these streams.
const ALIGN: usize = 4096;

fn main() {
    println!("chosen: {}", riverrun_hash::backend());
    let mut backends = vec![("chosen".to_owned(), *riverrun_hash::backend())];
    for kernel in Kernel::ALL {
        backends.extend(Backend::with_kernel(kernel).map(|backend| (kernel.to_string(), backend)));
    }
    for len in [16 << 10, 256 << 10] {
        let pool = vec![1; 32 * len + ALIGN];
        let data: Vec<&[u8]> = pool[pool.as_ptr().align_offset(ALIGN)..].chunks_exact(len).take(32).collect();
        table(&format!("SHA-1, {} KiB", len >> 10), &backends, |backend, count| {
            let mut states = vec![Sha1::new(); count];
            let mut jobs: Vec<_> = states.iter_mut().zip(data.iter().copied()).collect();
            gigabytes(count * len, || backend.update_many_sha1(black_box(&mut jobs)))
        });
        table(&format!("SHA-256, {} KiB", len >> 10), &backends, |backend, count| {
            let mut states = vec![Sha256::new(); count];
            let mut jobs: Vec<_> = states.iter_mut().zip(data.iter().copied()).collect();
            gigabytes(count * len, || backend.update_many_sha256(black_box(&mut jobs)))
        });
    }
    let pool = vec![1; 256 << 10];
    table("SHA-1, all lengths to 256 KiB", &backends, |backend, count| {
        let messages: Vec<&[u8]> = (1..=count).map(|i| &pool[..i * 99_991 % pool.len()]).collect();
        let mut out = vec![[0; 20]; count];
        let bytes = messages.iter().map(|message| message.len()).sum();
        gigabytes(bytes, || backend.sha1_many(black_box(&messages), black_box(&mut out)))
    });
    table("SHA-256 pairs (input bytes)", &backends, |backend, count| {
        let nodes = vec![[7; 32]; 2 * count];
        let mut out = vec![[0; 32]; count];
        gigabytes(64 * count, || backend.sha256_pairs(black_box(&nodes), black_box(&mut out)))
    });
}

fn table(title: &str, backends: &[(String, Backend)], mut cell: impl FnMut(&Backend, usize) -> f64) {
    print!("\n{title:31}");
    for count in COUNTS {
        print!("{count:>6}");
    }
    println!();
    for (name, backend) in backends {
        print!("{name:31}");
        for count in COUNTS {
            print!("{:6.2}", cell(backend, count));
        }
        println!();
    }
}

/// The best of several short runs of `work`, which handles `bytes` bytes.
fn gigabytes(bytes: usize, mut work: impl FnMut()) -> f64 {
    let repeats = (4 << 20) / bytes + 1;
    work();
    let best = (0..7)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..repeats {
                work();
            }
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min);
    (repeats * bytes) as f64 / best / 1e9
}
