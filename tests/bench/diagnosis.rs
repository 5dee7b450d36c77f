//! A diagnosis alone, on a cluster of 5,000 nodes and 150,000 pods of which far more than 200 are held.

use std::{
    collections::{BTreeMap, BTreeSet},
    hint::black_box,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use mngup::{
    diagnose::{Memory, View, examine, limits},
    domain::*,
};

use crate::{
    cluster::{Cluster, NODES, PODS_A_NODE},
    markdown::{self, row},
};

const TIMES: usize = 20;

/// Measures and prints the table.
pub fn run() {
    println!("## diagnose\n");
    println!(
        "{NODES} nodes, {PODS_A_NODE} pods a node, all known, one percent of the nodes cordoned; {TIMES} times each.\n"
    );
    let mut cluster = Cluster::new();
    cluster.add_all_pods();
    cluster.roll();
    spoil(&mut cluster);
    let mut rows = vec![row(["subject", "median", "min", "max", "causes", "pods held", "questions"])];
    for (what, subject) in
        [("a run", Subject::Run), ("the group", Subject::Group), ("before an upgrade", Subject::BeforeUpgrade)]
    {
        rows.push(measured(&cluster, what, &subject));
    }
    markdown::print(&rows);
}

fn measured(cluster: &Cluster, what: &str, subject: &Subject) -> Vec<String> {
    let snapshot = &cluster.snapshot;
    let old: BTreeSet<NodeName> = snapshot.nodes().keys().cloned().collect();
    let memory = Memory::default();
    let mut dossier = Dossier::default();
    let run = (*subject == Subject::Run).then_some(&cluster.run);
    let look = |dossier: &Dossier| {
        let policy = &cluster.run.intent().policy;
        examine(View { now: cluster.now, snapshot, run, memory: &memory, policy, subject, old: &old, dossier })
    };
    let mut asks = BTreeSet::new();
    for _ in 0..limits::ROUNDS {
        asks = look(&dossier).asks;
        for ask in dossier.open(&asks, cluster.now) {
            dossier.apply(cluster.now, answer(ask));
        }
    }
    let mut times: Vec<Duration> = (0..TIMES)
        .map(|_| {
            let began = Instant::now();
            black_box(look(&dossier));
            began.elapsed()
        })
        .collect();
    times.sort();
    let found = look(&dossier).diagnosis;
    let held: BTreeSet<&PodRef> = found.findings.iter().flat_map(|finding| &finding.holds.pods).collect();
    assert!(held.len() >= 200, "{what}: {} pods are held", held.len());
    let shown = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
    vec![
        what.to_owned(),
        shown(times[TIMES / 2]),
        shown(times[0]),
        shown(times[TIMES - 1]),
        found.findings.len().to_string(),
        held.len().to_string(),
        asks.len().to_string(),
    ]
}

/// One pod of each budget is not Ready, each for another reason, and the budgets' pods are known.
fn spoil(cluster: &mut Cluster) {
    let mut by_app: BTreeMap<(String, String), Vec<Pod>> = BTreeMap::new();
    for name in cluster.snapshot.nodes().keys() {
        for pod in cluster.snapshot.pods_on(name).filter(|pod| !pod.is_daemon()) {
            let app = (pod.id.namespace.clone(), pod.labels["app"].clone());
            by_app.entry(app).or_default().push(pod.clone());
        }
    }
    for (index, ((namespace, name), mut pods)) in by_app.into_iter().enumerate() {
        if let Some(pod) = pods.last_mut() {
            pod.ready = false;
            pod.ready_since = Some(later(Timestamp::UNIX_EPOCH, Duration::from_secs(1)));
            pod.trouble = Some(Box::new(trouble(index)));
        }
        cluster.snapshot.apply(Change::PdbPods(PdbRef { namespace, name }, pods));
    }
}

fn trouble(index: usize) -> Trouble {
    let waiting = |reason: &str| ContainerState::Waiting { reason: reason.to_owned(), message: None };
    let state = [waiting("CrashLoopBackOff"), waiting("ImagePullBackOff"), ContainerState::Running];
    let container = Container {
        name: "app".to_owned(),
        image: "registry.example.com/app:7".to_owned(),
        init: false,
        state: state[index % state.len()].clone(),
        ended_before: None,
        restarts: 9,
        ready: false,
    };
    Trouble { containers: vec![container], ..Trouble::default() }
}

/// Something to read for each question; what nobody asks is not made up.
fn answer(ask: Ask) -> Answer {
    let event = KubeEvent {
        reason: "Unhealthy".to_owned(),
        message: "Readiness probe failed: HTTP probe failed with statuscode: 503".to_owned(),
        warning: true,
        count: 3,
        first: None,
        last: None,
        reporter: "kubelet".to_owned(),
        about: None,
    };
    let known = if let Ask::Events(_) = &ask {
        Known::Is(Fact::Events(vec![event]))
    } else {
        Known::Unknown(Lack::NotOffered("a puppet does not know".to_owned()))
    };
    (ask, known)
}
