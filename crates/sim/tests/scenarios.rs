//! Every scenario with a few seeds. Thousands more: `cargo xtask sim --seeds 0..1000`.

use riverrun_sim::scenarios::{SCENARIOS, find};
use riverrun_sim::{Report, Run};

fn play(name: &str, seeds: &[u64]) -> Vec<Report> {
    let scenario = find(name).unwrap();
    let one = |seed: &u64| match (scenario.play)(Run::from(*seed)) {
        Ok(report) => {
            println!("{report}");
            report
        }
        Err(failure) => panic!("{failure}"),
    };
    seeds.iter().map(one).collect()
}

macro_rules! scenarios {
    ($($name:ident: $seeds:expr;)*) => {
        $(#[test] fn $name() { play(stringify!($name), &$seeds); })*

        const PLAYED: &[&str] = &[$(stringify!($name)),*];
    };
}

scenarios! {
    pair: [1, 2, 3, 4, 5, 6, 7, 8];
    lossy_swarm: [1, 2, 3];
    endgame: [1, 2];
    v1_swarm: [1, 11, 17, 22];
    hybrid_swarm: [1, 11, 17, 22];
    v2_swarm: [1, 17, 21, 22];
    padding: [1, 2, 3, 33, 72];
    partition: [1, 2, 3];
    dead_peer: [1, 2, 3];
    crowded: [1, 2, 3];
    churn: [1, 2, 3];
    power_cuts: [1, 2, 3];
    full_disk: [1, 2, 3];
    flaky_disks: [1, 2, 3, 12, 48];
    small_pools: [1, 2, 3, 4, 5];
    corrupt_sender: [1, 2, 3, 4, 5];
    hang_up: [1, 2, 3];
    liars: [1, 2];
    shared_pieces: std::array::from_fn::<u64, 50, _>(|n| n as u64);
    rotten_seed: [1, 2, 3];
    magnet_join: [1, 2, 3];
    magnet_liars: [1, 2, 3];
    magnet_swarm: [1, 2];
    pex_chain: [1, 2, 3];
    private_chain: [1];
    holepunch: [1, 2, 3];
    fair_slots: [1, 21];
    newcomer: [1, 2, 3];
    rate_slots: [1, 2, 3];
    fastest_seed: [1, 2, 3];
    anti_leech: [1, 2, 3];
    squatters: [1, 2, 3];
    upload_only_peers: [1, 2, 3];
    super_seed: [1, 2];
    super_seed_churn: [1, 2, 3];
    share_mode: std::array::from_fn::<u64, 20, _>(|n| n as u64);
    dead_addresses: [1, 2, 43, 69];
    leased_rates: [1, 2, 3];
    stream: [1, 2, 3, 4, 5, 118];
    busy_stream: [1, 2, 3, 4, 5, 49, 57];
    nat_swarm: [1, 2];
    nat_crowd: [1, 2];
    private_magnet: [1, 2];
    first_minute: [1, 2];
    half_open: [1, 2];
    inbound_flood: [1, 2];
    few_places: [1, 2];
    idle_guests: [1, 2];
    pex_flood: [1, 2];
    quiet_hour: [1, 2];
    misers: [1, 2];
    drips: [1, 2];
    request_floods: [1, 2];
    deaf_peers: [1, 2];
    bad_bitfields: [1, 2];
    pieces_beyond: [1, 2];
    corrupt_crowd: [1, 2];
    unasked_blocks: [1, 2];
    quarters: [1, 2];
    partial_seeds: [1, 2];
    selections: [1, 2];
    priorities: [1, 2];
    in_order: [1, 2, 258];
    free_riders: [1, 3];
    seed_leaves: [1, 2];
    flapping_seed: [1, 2];
    late_comers: [1, 2];
    few_partials: [1, 2];
    standing_readers: [1, 2];
    odd_pieces: [1, 2];
    uneven_lines: [1, 2];
    awful_lines: [1, 2];
    satellites: [1, 2];
    flapping_network: [1, 2];
    slow_peers: [1, 2];
    slow_last: [1, 2, 5, 31, 138];
    changed_limits: [1, 2];
    upload_limit: [1, 2];
    tiny_limits: [1, 2];
    full_disks: [1, 2];
    hard_swarm: std::array::from_fn::<u64, 50, _>(|n| n as u64);
    replay: [1];
}

#[test]
fn no_scenario_is_left_out() {
    let names: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
    assert_eq!(names, PLAYED);
}

#[test]
fn a_failure_says_how_to_see_it_again() {
    let report = play("pair", &[7]).remove(0);
    assert!(report.to_string().starts_with("pair seed 7: ok at "), "{report}");
    let other = play("pair", &[8]).remove(0);
    assert_ne!(report.trace, other.trace, "another seed is another run");
}

#[test]
fn text_changes_nothing() {
    let scenario = find("pair").unwrap();
    let (plain, traced) = ((scenario.play)(Run::from(3)).unwrap(), (scenario.play)(Run::traced(3)).unwrap());
    assert_eq!(plain.trace, traced.trace);
    assert_eq!(traced.lines.len() as u64, traced.events);
}
