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

/// How one pod of each budget that blocks is not Ready.
#[derive(Clone, Copy)]
enum Trouble {
    /// It crashes, its image cannot be pulled, or its probe fails.
    Breaks,
    /// No node has room for it.
    HasNoRoom,
}

/// Measures and prints the table.
pub fn run() {
    println!("## diagnose\n");
    println!(
        "{NODES} nodes, {PODS_A_NODE} pods a node, all known, one percent of the nodes cordoned; {TIMES} times each.\n"
    );
    let mut cluster = Cluster::new();
    // In this order: with each choice the cluster is copied for the sake of another measurement.
    cluster.roll();
    cluster.add_all_pods();
    let mut rows = vec![row(["subject", "median", "min", "max", "causes", "pods held", "questions"])];
    for (what, blocking, trouble, subject) in [
        ("a run, 200 pods held by pods that break", 200, Trouble::Breaks, Subject::Run),
        ("a run, 200 pods held for want of room", 200, Trouble::HasNoRoom, Subject::Run),
        ("a run, every pod held", usize::MAX, Trouble::Breaks, Subject::Run),
        ("a run, every pod held for want of room", usize::MAX, Trouble::HasNoRoom, Subject::Run),
        ("the group, every pod of cordoned nodes held", usize::MAX, Trouble::Breaks, Subject::Group),
        ("before an upgrade, every pod of every node held", usize::MAX, Trouble::Breaks, Subject::BeforeUpgrade),
    ] {
        spoil(&mut cluster, blocking, trouble);
        let measured = measured(&cluster, what, &subject);
        eprintln!("{}", measured.join(", "));
        rows.push(measured);
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
            dossier.apply(cluster.now, answer(cluster, ask));
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

/// So many budgets of pods in flight block, one pod of each is not Ready, and the pods of all budgets are known.
fn spoil(cluster: &mut Cluster, blocking: usize, trouble: Trouble) {
    let app = |pod: &Pod| PdbRef { namespace: pod.id.namespace.clone(), name: pod.labels["app"].clone() };
    let mut by_app: BTreeMap<PdbRef, Vec<Pod>> = BTreeMap::new();
    for name in cluster.snapshot.nodes().keys() {
        for pod in cluster.snapshot.pods_on(name).filter(|pod| !pod.is_daemon()) {
            by_app.entry(app(pod)).or_default().push(pod.clone());
        }
    }
    let mut apps: Vec<_> = cluster.pods_in_flight().iter().map(app).collect();
    apps.truncate(blocking);
    let blocks: BTreeSet<PdbRef> =
        if blocking == usize::MAX { by_app.keys().cloned().collect() } else { apps.into_iter().collect() };
    for (index, (id, mut pods)) in by_app.into_iter().enumerate() {
        let mut pdb = cluster.snapshot.pdb(&id).expect("each app has a budget").clone();
        pdb.status.allowed = i32::from(!blocks.contains(&id));
        if let Some(pod) = pods.last_mut().filter(|_| blocks.contains(&id)) {
            pod.ready = false;
            pod.ready_since = Some(later(Timestamp::UNIX_EPOCH, Duration::from_secs(1)));
            match trouble {
                Trouble::Breaks => pod.trouble = Some(Box::new(breaks(index))),
                Trouble::HasNoRoom => {
                    (pod.phase, pod.node, pod.trouble) = (PodPhase::Pending, None, Some(Box::new(has_no_room())));
                }
            }
        }
        cluster.snapshot.apply(Change::Pdb(Box::new(pdb)));
        cluster.snapshot.apply(Change::PdbPods(id, pods));
    }
}

fn breaks(index: usize) -> mngup::domain::Trouble {
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
    mngup::domain::Trouble { containers: vec![container], ..Default::default() }
}

fn has_no_room() -> mngup::domain::Trouble {
    let (out, full) = (NODES / 100, NODES - NODES / 100);
    let message = format!("0/{NODES} nodes are available: {out} node(s) were unschedulable, {full} Insufficient cpu.");
    let unscheduled = Unscheduled { reason: "Unschedulable".to_owned(), message: Some(message) };
    mngup::domain::Trouble { unscheduled: Some(unscheduled), ..Default::default() }
}

/// Something to read for each question; what nobody asks is not made up.
#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "a puppet knows what these two hundred pods lead to, and nothing else"
)]
fn answer(cluster: &Cluster, ask: Ask) -> Answer {
    let known = match &ask {
        Ask::Events(_) => Known::Is(Fact::Events(vec![event()])),
        Ask::AllNodes => Known::Is(Fact::Nodes(cluster.snapshot.nodes().values().map(seen_by_all).collect())),
        Ask::Workload { .. } => Known::Is(Fact::Workload(Some(workload()))),
        Ask::PodsOn(_)
        | Ask::PodsOf(_)
        | Ask::Pod { .. }
        | Ask::DaemonPods { .. }
        | Ask::Claim { .. }
        | Ask::Attachments
        | Ask::Quotas(_)
        | Ask::Namespace(_)
        | Ask::Webhooks
        | Ask::Endpoints { .. }
        | Ask::NodeManagerRole
        | Ask::AwsAuth
        | Ask::TryEviction(_)
        | Ask::Hooks
        | Ask::Subnets
        | Ask::Update(_)
        | Ask::Updates
        | Ask::UpdateElsewhere(_)
        | Ask::AccessEntries => Known::Unknown(Lack::NotOffered("a puppet does not know".to_owned())),
    };
    (ask, known)
}

fn event() -> KubeEvent {
    KubeEvent {
        reason: "Unhealthy".to_owned(),
        message: "Readiness probe failed: HTTP probe failed with statuscode: 503".to_owned(),
        warning: true,
        count: 3,
        first: None,
        last: None,
        reporter: "kubelet".to_owned(),
        about: None,
    }
}

fn seen_by_all(node: &Node) -> ClusterNode {
    ClusterNode {
        name: node.name.clone(),
        labels: node.labels.clone(),
        taints: node.taints.clone(),
        unschedulable: node.unschedulable,
        ready: true,
        allocatable: [("cpu".to_owned(), 2_000)].into(),
    }
}

fn workload() -> Workload {
    let template = serde_json::json!({
        "nodeSelector": { "kubernetes.io/arch": "amd64" },
        "containers": [{ "name": "app", "resources": { "requests": { "cpu": "1" } } }],
    });
    Workload {
        replicas: Some(75),
        current: 75,
        ready: 74,
        strategy: Strategy::Surges,
        may_be_out: Some(IntOrPercent::Percent(25)),
        revision: Some(2),
        owner: None,
        managed_by: None,
        template,
    }
}
