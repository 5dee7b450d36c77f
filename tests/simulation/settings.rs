//! What a seed means: a world, and how it is played.

use std::time::Duration;

use mngup::{
    domain::*,
    sim::{Rng, WorldSpec, spec::random_spec},
};

use crate::player::Play;

/// The world of a seed.
pub fn world(seed: u64) -> WorldSpec {
    random_spec(seed)
}

/// How the world of a seed is played.
pub fn settings(seed: u64) -> Play {
    let mut rng = Rng::new(seed.rotate_left(17) ^ 0x5e77_1965);
    let counts = [
        IntOrPercent::Int(0),
        IntOrPercent::Int(1),
        IntOrPercent::Int(2),
        IntOrPercent::Percent(50),
        IntOrPercent::Percent(100),
    ];
    let max_surge = rng.percent(70).then(|| *rng.pick(&counts).unwrap());
    let nothing_extra = max_surge == Some(IntOrPercent::Int(0));
    let fewest = usize::from(nothing_extra);
    let max_unavailable = rng.percent(70).then(|| *rng.pick(&counts[fewest..]).unwrap());
    let policy = Policy {
        max_unavailable,
        max_surge,
        force: rng.percent(15),
        post_drain_delay: Duration::from_secs(u64::from(rng.between(0, 60))),
        delete_unmanaged: rng.percent(70),
        disable_eviction: rng.percent(3),
        skip_wait_for_delete: rng.percent(5).then_some(Duration::from_mins(2)),
        undrainable: if rng.percent(40) { Undrainable::Quarantine } else { Undrainable::Stop },
        max_quarantined: rng.between(1, 3),
        all_nodes: rng.percent(20),
        order: *rng.pick(&[Order::Zone, Order::Oldest, Order::Newest, Order::Name]).unwrap(),
        node_interval: if rng.percent(20) { Duration::from_secs(30) } else { Duration::ZERO },
        ..Policy::default()
    };
    let crashing = rng.percent(40);
    let mut play = Play {
        policy,
        crashes: if crashing { rng.between(1, 12) } else { 0 },
        crashes_most: rng.between(1, 8),
        stop_after: rng.percent(10).then(|| Duration::from_secs(u64::from(rng.between(0, 3000)))),
        abort_after: None,
        lag: Duration::ZERO,
    };
    // Drawn last: what a seed meant before stays as it was.
    play.abort_after = (rng.percent(30) || always("MNGUP_ABORT")).then(|| rng.millis(0, 1_500_000));
    if rng.percent(20) || always("MNGUP_LAG") {
        play.lag = Duration::from_millis(rng.between(100, 4000).into());
    }
    play
}

/// Whether every world is to be played so: `MNGUP_ABORT=1` aborts each run, `MNGUP_LAG=1` has each look late.
fn always(variable: &str) -> bool {
    std::env::var_os(variable).is_some()
}
