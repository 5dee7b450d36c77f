//! The same world three times: by hand with kubectl, with one extra node, with as many extra nodes as there are.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{
    markdown::{self, row},
    runbook,
    support::{
        AuditEntry, Bed, BedOptions, PERSON, Seen, USER,
        aws::World,
        workloads::{all, daemon_set, deployment, pdb},
    },
};

const NODES: u32 = 12;
const APPS: u32 = 20;
const REPLICAS: u32 = 6;
const POST_DRAIN: Duration = Duration::from_secs(3);

/// Time for one contender.
const PATIENCE: Duration = Duration::from_mins(15);

/// What one contender needed.
struct Score {
    name: &'static str,
    took: Duration,
    audit: Vec<AuditEntry>,
    seen: Seen,
    /// KiB.
    memory: Option<u64>,
    killed: usize,
}

/// Runs all three and prints the table.
pub fn run() {
    let Some(bed) = bed() else {
        println!(
            "**NOT MEASURED: the control plane is not built.** Build it (some 6 minutes, once) with: \
             `tests/control-plane/build.sh`"
        );
        return;
    };
    println!("## kubectl drain by hand and mngup\n");
    println!(
        "{NODES} nodes in three zones, {APPS} Deployments of {REPLICAS} with a budget of maxUnavailable 1 each, one \
         DaemonSet. A pod starts in 3 s and stops in 1 s, an instance launches in 4 s, joins in 2 s and terminates in \
         2 s; {} s between drain and termination. Each on a control plane of its own ({}).\n",
        POST_DRAIN.as_secs(),
        server_version(&bed),
    );
    let scores = [
        by_hand(bed),
        mngup("mngup --max-surge 1", &["--max-surge", "1"]),
        mngup("mngup --max-surge 100%", &["--max-surge", "100%"]),
    ];
    print_scores(&scores);
    for score in &scores {
        print_requests(score);
    }
}

fn bed() -> Option<Bed> {
    let apps = (1..=APPS).map(|number| format!("app-{number}"));
    let shop = apps.flat_map(|app| {
        let deployment = deployment(&app, REPLICAS).spread().start_ms(3000).stop_ms(1000);
        [deployment.yaml(), pdb(&app, "maxUnavailable: 1")]
    });
    let workloads = all(shop.chain([daemon_set("agent")]));
    let world = World {
        old: NODES,
        headroom: NODES,
        launch: Duration::from_secs(4),
        join: Duration::from_secs(2),
        terminate: Duration::from_secs(2),
        ..World::default()
    };
    Bed::start(BedOptions { world, workloads })
}

fn by_hand(bed: Bed) -> Score {
    let sampler = bed.sample();
    let began = Instant::now();
    runbook::by_hand(&bed, POST_DRAIN);
    let took = began.elapsed();
    let seen = sampler.finish();
    let (audit, killed) = (requests_of(&bed, PERSON), bed.aws.killed_with_node().len());
    // Its processes end before the next contender's begin.
    drop(bed);
    Score { name: "kubectl drain, node by node", took, audit, seen, memory: None, killed }
}

fn mngup(name: &'static str, flags: &[&str]) -> Score {
    let bed = bed().expect("the control plane was there a moment ago");
    let delay = format!("{}s", POST_DRAIN.as_secs());
    let sampler = bed.sample();
    let mut running = bed.spawn_upgrade(&[flags, &["--post-drain-delay", &delay]].concat());
    let mut memory = None;
    while running.is_running() {
        memory = running.peak_memory().or(memory);
        std::thread::sleep(Duration::from_millis(20));
    }
    let ended = running.wait(PATIENCE);
    let seen = sampler.finish();
    assert_eq!(ended.code, Some(0), "{ended}");
    if let Ok(folder) = std::env::var("MNGUP_BENCH_KEEP") {
        keep(&folder, name, &bed, &ended);
    }
    let (audit, killed) = (requests_of(&bed, USER), bed.aws.killed_with_node().len());
    Score { name, took: ended.took, audit, seen, memory, killed }
}

/// Journal, output and audit log, to find out where time and requests go.
fn keep(folder: &str, name: &str, bed: &Bed, ended: &crate::support::Ended) {
    let folder = std::path::Path::new(folder).join(name.replace(' ', "_"));
    std::fs::create_dir_all(&folder).expect("a folder to keep things in");
    for (path, text) in ended.files() {
        std::fs::write(folder.join(path.file_name().expect("a file")), text).expect("writable");
    }
    std::fs::write(folder.join("output.txt"), ended.to_string()).expect("writable");
    std::fs::copy(bed.plane.folder().join("audit.log"), folder.join("audit.log")).expect("writable");
    std::fs::write(folder.join("aws.txt"), format!("{:#?}", bed.aws.calls())).expect("writable");
}

/// Each request once: a watch is written down when it begins and when it ends.
fn requests_of(bed: &Bed, user: &str) -> Vec<AuditEntry> {
    let mut entries = bed.plane.audit();
    entries.retain(|entry| entry.user == user && (entry.verb != "watch" || entry.stage == "ResponseStarted"));
    entries
}

fn server_version(bed: &Bed) -> String {
    let version = bed.plane.kubectl(&["version", "-o", "json"]);
    let version: serde_json::Value = serde_json::from_str(&version).expect("kubectl prints JSON");
    let of = |part: &str| version[part]["gitVersion"].as_str().unwrap_or("unknown").to_owned();
    format!("Kubernetes {}, kubectl {}", of("serverVersion"), of("clientVersion"))
}

fn print_scores(scores: &[Score]) {
    let mut rows = vec![row([
        "",
        "wall clock",
        "of kubectl",
        "evictions a pod",
        "requests a pod",
        "429s",
        "peak nodes",
        "peak cordoned",
        "memory",
        "budgets broken",
        "pods killed",
    ])];
    let pods = f64::from(APPS * REPLICAS);
    let slowest = scores.first().map_or(1.0, |score| score.took.as_secs_f64());
    for score in scores {
        let refused = score.audit.iter().filter(|entry| entry.code == 429).count();
        let memory = score.memory.map_or(String::new(), |kib| format!("{:.1} MiB", count(kib) / 1024.0));
        rows.push(vec![
            score.name.to_owned(),
            format!("{:.1} s", score.took.as_secs_f64()),
            format!("{:.2}", score.took.as_secs_f64() / slowest),
            format!("{:.2}", count(evictions(score)) / pods),
            format!("{:.2}", count(score.audit.len()) / pods),
            refused.to_string(),
            score.seen.most_nodes.to_string(),
            score.seen.most_cordoned.to_string(),
            memory,
            score.seen.broken_budgets.len().to_string(),
            score.killed.to_string(),
        ]);
    }
    markdown::print(&rows);
    println!(
        "{} pods had to move. \"requests a pod\": all that the contender's own user asked the API server for, by its \
         audit log; kubectl's looking up of nodes is left out.\n",
        APPS * REPLICAS
    );
}

fn evictions(score: &Score) -> usize {
    score.audit.iter().filter(|entry| entry.subresource == "eviction" && entry.code == 201).count()
}

fn print_requests(score: &Score) {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for entry in &score.audit {
        let slash = if entry.subresource.is_empty() { "" } else { "/" };
        let resource = if entry.resource.is_empty() { entry.uri.as_str() } else { &entry.resource };
        *kinds.entry(format!("{} {resource}{slash}{}", entry.verb, entry.subresource)).or_default() += 1;
    }
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
    let listed: Vec<String> = kinds.iter().map(|(kind, times)| format!("{times} {kind}")).collect();
    println!("{}: {} requests: {}.\n", score.name, score.audit.len(), listed.join(", "));
}

fn count(number: impl TryInto<u32>) -> f64 {
    f64::from(number.try_into().unwrap_or(u32::MAX))
}
