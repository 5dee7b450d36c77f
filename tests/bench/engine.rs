//! `decide` alone, on a cluster of 5,000 nodes and 150,000 pods.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use mngup::{
    domain::{Change, later},
    engine::{Input, event::Event},
};

use crate::{
    cluster::{Cluster, NODES, PODS_A_NODE},
    markdown::{self, row},
};

const TIMES: usize = 100;

/// Measures and prints the table.
pub fn run() {
    println!("## decide\n");
    println!("{NODES} nodes, {PODS_A_NODE} pods a node, one percent of the nodes in flight, {TIMES} times each.\n");
    let mut rows = vec![row(["snapshot", "tick", "median", "min", "max"])];
    let mut memory = Vec::new();
    for (what, strict) in [("pods of nodes in flight", false), ("all pods", true)] {
        let before = resident();
        let mut cluster = Cluster::new();
        if strict {
            cluster.add_all_pods();
        }
        let held = resident().zip(before).map(|(after, before)| after.saturating_sub(before));
        memory.push((what, cluster.pods, held));
        cluster.roll();
        for (tick, times) in ticks(&mut cluster) {
            rows.push(times_row(what, tick, times));
        }
    }
    markdown::print(&rows);
    for (what, pods, held) in memory {
        let held = held.map_or("unknown".to_owned(), |kib| format!("{} MiB", kib / 1024));
        println!("Memory of the snapshot with {what} at the beginning ({pods} pods): {held}.");
    }
    println!();
}

fn ticks(cluster: &mut Cluster) -> Vec<(&'static str, Vec<Duration>)> {
    let (now, run) = (cluster.now, cluster.run.clone());
    let idle = measure(|| {
        let began = Instant::now();
        let decision = run.decide(now, &cluster.snapshot, Input::Tick);
        assert!(black_box(decision).events.is_empty(), "nothing happens in an idle tick");
        began.elapsed()
    });
    let pods = cluster.pods_in_flight();
    let mut turn = 0_usize;
    let changed = measure(|| {
        turn += 1;
        let mut pod = pods[turn % pods.len()].clone();
        pod.ready = turn.is_multiple_of(2);
        let began = Instant::now();
        cluster.snapshot.apply(Change::Pod(Box::new(pod)));
        black_box(run.decide(now, &cluster.snapshot, Input::Tick));
        began.elapsed()
    });
    let (run_before, snapshot_before) = cluster.before_last_choice.take().expect("several were chosen");
    let choosing = measure(|| {
        let began = Instant::now();
        let decision = run_before.decide(now, &snapshot_before, Input::Tick);
        let chosen = decision.events.iter().any(|event| matches!(event, Event::NodeChosen { .. }));
        assert!(black_box(chosen), "it chooses");
        began.elapsed()
    });
    let (run_untouched, snapshot_untouched) = cluster.untouched.take().expect("all were tainted");
    let first = measure(|| {
        let began = Instant::now();
        black_box(run_untouched.decide(now, &snapshot_untouched, Input::Tick));
        began.elapsed()
    });
    let minute = later(now, Duration::from_secs(61));
    let telling = measure(|| {
        let began = Instant::now();
        black_box(run.decide(minute, &cluster.snapshot, Input::Tick));
        began.elapsed()
    });
    vec![
        ("idle", idle),
        ("after one pod changed", changed),
        ("that chooses a node", choosing),
        ("that tells all waits again", telling),
        ("that taints all old nodes", first),
    ]
}

fn measure(mut once: impl FnMut() -> Duration) -> Vec<Duration> {
    let mut times: Vec<_> = (0..TIMES).map(|_| once()).collect();
    times.sort();
    times
}

fn times_row(what: &str, tick: &str, times: Vec<Duration>) -> Vec<String> {
    let shown = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1000.0);
    let (min, max) = (times[0], times[times.len() - 1]);
    vec![what.to_owned(), tick.to_owned(), shown(times[times.len() / 2]), shown(min), shown(max)]
}

/// KiB; none where the kernel does not tell.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
