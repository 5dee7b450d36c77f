//! Nodes that do not serve, and instances that do not become nodes or do not go.

use std::time::Duration;

use mngup::sim::{
    WorldSpec,
    spec::{
        AccessSpec, FaultKind, StartupTaintSpec, Target, Trouble, TroubleKind, TroubleWith, WorkloadKind, WorkloadSpec,
    },
};

use super::{About, Begins, Proof, cart, faulty, out, world};

const CNI: &str = "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady \
                   message:Network plugin returns error: cni plugin not initialized";

pub fn kubelet_silent() -> Proof {
    let dead = FaultKind::KubeletDead { node: Target::Cordoned };
    let proof = Proof::new(faulty(busy(), vec![(1, dead)]), "node/", not_ready(Some(30), None)).of_group();
    // The controller gives it 40 seconds.
    proof.since(Begins::At(seconds(1)), 40)
}

pub fn node_not_ready() -> Proof {
    let proof = Proof::new(not_ready(None, None), "node/", not_ready(Some(30), None)).of_group();
    proof.since(Begins::At(seconds(1)), 45)
}

pub fn node_runtime() -> Proof {
    let says = Some("container runtime is down");
    let proof = Proof::new(not_ready(None, says), "node/", not_ready(Some(30), says)).of_group();
    proof.since(Begins::At(seconds(1)), 45)
}

pub fn node_cni() -> Proof {
    let proof = Proof::new(never_ready(), "node/", not_ready(Some(30), Some(CNI))).of_group();
    proof.since(Begins::Joined, 60)
}

pub fn node_no_addresses() -> Proof {
    let with_free = |free| {
        let mut spec = never_ready();
        for zone in &mut spec.zones {
            (zone.free_addresses, zone.contended) = (Some(free), true);
        }
        spec
    };
    Proof::new(with_free(1), "node/", with_free(50)).of_group().since(Begins::Joined, 60)
}

pub fn node_daemonset() -> Proof {
    let trouble = Trouble { kind: TroubleKind::CrashLoop, with: TroubleWith::New };
    let crashes = with_agent(WorkloadSpec { trouble: Some(trouble), ..agent() });
    let slow = with_agent(WorkloadSpec { ready: seconds(40), ..agent() });
    Proof::new(crashes, "node/", slow).of_group().since(Begins::Joined, 0)
}

pub fn node_taint_stays() -> Proof {
    let leaves = |leaves| {
        let mut spec = world(cart(out(1)));
        spec.group.startup_taints =
            vec![StartupTaintSpec { key: "ebs.csi.aws.com/agent-not-ready".to_owned(), leaves }];
        spec
    };
    Proof::new(leaves(None), "node/", leaves(Some(seconds(20)))).of_group().since(Begins::Joined, 60)
}

pub fn node_resource_missing() -> Proof {
    let lacks = |lacks: &[&str]| {
        let mut spec = world(cart(out(1)));
        spec.group.instance_types[0].extended = [("nvidia.com/gpu".to_owned(), 4)].into();
        spec.group.lacks = lacks.iter().map(|name| (*name).to_owned()).collect();
        spec.delays.node_ready = seconds(50);
        spec
    };
    let proof = Proof::new(lacks(&["nvidia.com/gpu"]), "node/", lacks(&[])).of_group();
    proof.since(Begins::Joined, 50 + 180)
}

pub fn node_cordoned_new() -> Proof {
    let cordon = |at, node| {
        // What it waits for keeps a new node from serving until somebody has cordoned it.
        let mut spec = with_agent(WorkloadSpec { ready: Duration::from_mins(3), ..agent() });
        spec.faults = faulty(cart(out(1)), vec![(at, FaultKind::Cordon { node })]).faults;
        spec
    };
    // All nodes are old at first, and must be new in time.
    let proof = Proof::new(cordon(240, Target::Newest), "node/", cordon(5, Target::Serving)).alone();
    proof.since(Begins::At(seconds(240)), 45)
}

pub fn node_outlives_instance() -> Proof {
    let removed = |after| {
        let mut spec = world(cart(out(1)));
        spec.delays.node_removal = seconds(after);
        spec
    };
    let proof = Proof::new(removed(36_000), "node/", removed(20)).of_group();
    // Until its kubelet counts as silent, and the minute that its controller may take.
    proof.since(Begins::Left, 40 + 60)
}

pub fn hook_holds_launch() -> Proof {
    let hook = |holds| {
        let mut spec = world(cart(out(1)));
        spec.group.hooks.launch = Some(seconds(holds));
        spec
    };
    Proof::new(hook(36_000), "instance/", hook(20)).of_group().since(Begins::Launched, 45 + 300)
}

pub fn hook_holds_termination() -> Proof {
    let hook = |holds| {
        let mut spec = world(cart(out(1)));
        spec.group.hooks.terminate = Some(seconds(holds));
        spec
    };
    let proof = Proof::new(hook(36_000), "instance/", hook(20)).of_group().about(About::Group);
    proof.since(Begins::Left, 900)
}

pub fn instance_never_joined() -> Proof {
    let never = faulty(cart(out(1)), vec![(1, FaultKind::NeverJoin { lasts: None })]);
    Proof::new(never, "instance/", slow_to_join()).of_group().since(Begins::Launched, 45 + 180)
}

pub fn join_no_access() -> Proof {
    let mut refused = world(cart(out(1)));
    refused.group.access = AccessSpec::None;
    let mut by_map = slow_to_join();
    by_map.group.access = AccessSpec::AwsAuth;
    Proof::new(refused, "instance/", by_map).of_group().since(Begins::Launched, 45 + 60)
}

pub fn instance_protected() -> Proof {
    let protected = |faults| {
        let mut spec = faulty(cart(out(1)), faults);
        spec.group.protected = true;
        spec
    };
    let shrinks = protected(vec![(10, FaultKind::Shrink { by: 1 })]);
    let proof = Proof::new(shrinks, "asg/", protected(Vec::new())).of_group().about(About::Group);
    proof.since(Begins::At(seconds(10)), 0)
}

pub fn instance_wrong_template() -> Proof {
    let stale = |lasts: Option<u64>| {
        let lasts = lasts.map(seconds);
        faulty(cart(out(1)), vec![(1, FaultKind::StaleLaunches { lasts })])
    };
    Proof::new(stale(None), "instance/", stale(Some(20))).of_group().since(Begins::Launched, 0)
}

pub fn instance_lost() -> Proof {
    let lost = faulty(cart(out(1)), vec![(1, FaultKind::LaunchesLost { lasts: None })]);
    let once = faulty(cart(out(1)), vec![(240, FaultKind::SpotLoss { node: Target::Newest })]);
    // Two have to come and go.
    Proof::new(lost, "asg/", once).of_group().since(Begins::Left, 2 * 45)
}

/// Two pods on each node, of which one may be out.
fn busy() -> WorkloadSpec {
    WorkloadSpec { replicas: 8, ..cart(out(1)) }
}

fn not_ready(lasts: Option<u64>, says: Option<&str>) -> WorldSpec {
    let (lasts, says) = (lasts.map(seconds), says.map(str::to_owned));
    faulty(busy(), vec![(1, FaultKind::NotReady { node: Target::Serving, lasts, says })])
}

fn never_ready() -> WorldSpec {
    faulty(cart(out(1)), vec![(1, FaultKind::NeverReady { lasts: None, says: Some(CNI.to_owned()) })])
}

fn slow_to_join() -> WorldSpec {
    let mut spec = world(cart(out(1)));
    spec.delays.join = seconds(120);
    spec
}

fn agent() -> WorkloadSpec {
    WorkloadSpec::new(WorkloadKind::DaemonSet, "agent")
}

fn with_agent(agent: WorkloadSpec) -> WorldSpec {
    let mut spec = world(cart(out(1)));
    spec.workloads.push(agent);
    spec
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
