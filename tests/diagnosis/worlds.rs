//! Many worlds by their seeds, on all processors.

use std::{ops::Range, sync::atomic::AtomicU64, sync::atomic::Ordering, thread};

/// `MNGUP_SEED` plays one, `MNGUP_WORLDS` as many.
pub fn seeds(count: u64) -> Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("MNGUP_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("MNGUP_WORLDS").unwrap_or(count),
    }
}

/// What each says, in the order of their seeds.
pub fn each<T: Send>(seeds: Range<u64>, play: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let next = AtomicU64::new(seeds.start);
    let work = || {
        let mut done = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return done;
            }
            done.push((seed, play(seed)));
        }
    };
    let mut all: Vec<(u64, T)> = thread::scope(|scope| {
        let workers: Vec<_> =
            (0..thread::available_parallelism().map_or(1, usize::from)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a world is played to its end")).collect()
    });
    all.sort_by_key(|(seed, _)| *seed);
    all.into_iter().map(|(_, said)| said).collect()
}
