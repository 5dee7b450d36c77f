//! Small worlds drawn from a seed, with the troubles that a rollout must live through.

use std::time::Duration;

use super::{
    BudgetSpec, Cpu, DelaySpec, Fault, FaultKind, GroupSpec, HookSpec, Memory, Replies, StrategySpec, Target,
    TolerationSpec, Topology, Trouble, TroubleKind, TroubleWith, WebhookSpec, WorkloadKind, WorkloadSpec, WorldSpec,
    ZoneSpec,
};
use crate::{
    domain::{IntOrPercent, UnhealthyPolicy},
    sim::Rng,
};

/// In how many of a hundred worlds something blocks a drain for good.
const BLOCKED: u32 = 15;

const ZONES: [&str; 3] = ["eu-west-1a", "eu-west-1b", "eu-west-1c"];

/// A small world: three to eight nodes in up to three zones, three to ten workloads of all kinds, and faults.
#[must_use]
pub fn random_spec(seed: u64) -> WorldSpec {
    let mut rng = Rng::new(seed ^ 0x6d6e_6775_7073_696d);
    let zones = zones(&mut rng);
    let mut spec = WorldSpec::with_old_nodes(&[]);
    spec.name = format!("random-{seed}");
    spec.zones = zones;
    spec.group = group(&mut rng, spec.nodes());
    spec.delays = delays(&mut rng);
    let workloads = rng.between(3, 10);
    spec.workloads = (0..workloads).map(|index| workload(&mut rng, index, spec.nodes())).collect();
    if rng.percent(BLOCKED) {
        block(&mut rng, &mut spec);
    }
    let faults = rng.between(0, 3);
    spec.faults = (0..faults).map(|_| fault(&mut rng, &spec)).collect();
    if rng.percent(40) {
        spec.replies = Replies {
            lost: rng.between(0, 8),
            lost_requests: rng.between(0, 4),
            throttled: rng.between(0, 8),
            failed: rng.between(0, 3),
        };
    }
    // Drawn last, and by itself: what a seed meant before stays as it was.
    let mut others = Rng::new(seed ^ 0x6f74_6865_7273);
    if others.percent(25) {
        spec.faults.push(act_of_others(&mut others));
    }
    spec
}

/// What others do to the group itself in the middle of a run.
fn act_of_others(rng: &mut Rng) -> Fault {
    let at = rng.millis(1000, 900_000);
    let what = match rng.between(0, 3) {
        0 | 1 => FaultKind::Grow { by: rng.between(1, 2) },
        2 => FaultKind::NewTemplate,
        _ => FaultKind::ResumeAzRebalance,
    };
    Fault { at, what }
}

fn zones(rng: &mut Rng) -> Vec<ZoneSpec> {
    let count = rng.between(2, 3) as usize;
    let nodes = rng.between(3, 8);
    let mut zones: Vec<ZoneSpec> = ZONES
        .iter()
        .take(count)
        .map(|name| ZoneSpec { name: (*name).to_owned(), old: 0, new: 0, free_addresses: None, contended: false })
        .collect();
    for index in 0..nodes {
        // Mostly even, as Auto Scaling keeps them; at times not.
        let zone = if rng.percent(85) { index as usize % count } else { rng.between(0, 1) as usize };
        if rng.percent(12) {
            zones[zone].new += 1;
        } else {
            zones[zone].old += 1;
        }
    }
    if rng.percent(10) {
        let index = rng.between(0, 1) as usize;
        zones[index].free_addresses = Some(rng.between(0, 2));
    }
    zones
}

fn group(rng: &mut Rng, nodes: u32) -> GroupSpec {
    let mut group = GroupSpec::managed("workers");
    if let Some(nodegroup) = &mut group.nodegroup {
        nodegroup.max_unavailable = match rng.between(0, 3) {
            0 => Some(IntOrPercent::Percent(34)),
            1 => Some(IntOrPercent::Int(2)),
            2 => Some(IntOrPercent::Int(1)),
            _ => None,
        };
        nodegroup.strategy = if rng.percent(20) { StrategySpec::Minimal } else { StrategySpec::Default };
    }
    if rng.percent(25) {
        group.nodegroup = None;
        group.asg = Some("workers".to_owned());
        group.template.version = Some(if rng.percent(50) { "$Latest" } else { "$Default" }.to_owned());
    }
    group.max = Some(nodes + rng.between(0, 3));
    group.min = rng.between(0, nodes);
    if rng.percent(30) {
        let wait = |rng: &mut Rng| Some(rng.millis(500, 20_000));
        group.hooks = HookSpec { launch: wait(rng), terminate: wait(rng) };
    }
    if rng.percent(10) {
        group.suspended = vec!["AZRebalance".to_owned()];
    }
    group
}

fn delays(rng: &mut Rng) -> DelaySpec {
    DelaySpec {
        react: rng.millis(0, 3000),
        launch: rng.millis(2000, 60_000),
        join: rng.millis(1000, 40_000),
        node_ready: rng.millis(500, 20_000),
        terminate: rng.millis(1000, 40_000),
        node_removal: rng.millis(0, 8000),
        detach: rng.millis(500, 20_000),
        budget_lag: if rng.percent(25) { rng.millis(500, 8000) } else { rng.millis(0, 200) },
        retry: rng.millis(5000, 30_000),
        rebalance: rng.millis(30_000, 180_000),
        ..DelaySpec::default()
    }
}

fn workload(rng: &mut Rng, index: u32, nodes: u32) -> WorkloadSpec {
    let kind = match rng.between(0, 99) {
        0..=54 => WorkloadKind::Deployment,
        55..=74 => WorkloadKind::StatefulSet,
        75..=87 => WorkloadKind::DaemonSet,
        88..=98 => WorkloadKind::Job,
        // Without consent to lose it, a pod without a controller holds its node for good.
        _ => WorkloadKind::Pod,
    };
    let mut spec = WorkloadSpec::new(kind, format!("w{index}"));
    spec.namespace = String::from(if rng.percent(70) { "shop" } else { "default" });
    spec.cpu = Cpu(rng.between(20, 200));
    spec.memory = Memory(rng.between(32, 400));
    spec.start = rng.millis(0, 8000);
    spec.ready = rng.millis(0, 20_000);
    spec.stop = rng.millis(0, 20_000);
    spec.grace = Duration::from_secs(u64::from(rng.between(1, 45)));
    spec.replicas = rng.between(1, 6);
    match kind {
        WorkloadKind::Deployment => {
            spec.anti_affinity = rng.percent(15).then_some(Topology::Hostname);
            spec.local_data = rng.percent(20);
        }
        WorkloadKind::StatefulSet => {
            spec.replicas = rng.between(1, 3);
            spec.zonal_volume = rng.percent(50);
        }
        WorkloadKind::DaemonSet => spec.tolerations = vec![TolerationSpec::default()],
        WorkloadKind::Job => {
            spec.replicas = rng.between(1, 2);
            spec.runs = Some(rng.millis(20_000, 400_000));
        }
        WorkloadKind::Pod => spec.replicas = 1,
    }
    // As many as there are nodes could never move: that would be one of the blocked worlds.
    if spec.anti_affinity.is_some() {
        spec.replicas = spec.replicas.min(nodes.saturating_sub(1)).max(1);
    }
    if matches!(kind, WorkloadKind::Deployment | WorkloadKind::StatefulSet) && rng.percent(70) {
        spec.budgets = vec![budget(rng, spec.replicas)];
    }
    spec
}

/// A budget that lets at least one pod go while all are Ready.
fn budget(rng: &mut Rng, replicas: u32) -> BudgetSpec {
    let mut budget = BudgetSpec::default();
    match rng.between(0, 3) {
        0 if replicas > 1 => budget.min_available = Some(IntOrPercent::Int(rng.between(1, replicas - 1))),
        1 => budget.max_unavailable = Some(IntOrPercent::Percent(rng.between(1, 60))),
        _ => budget.max_unavailable = Some(IntOrPercent::Int(rng.between(1, 2))),
    }
    if rng.percent(20) {
        budget.unhealthy = UnhealthyPolicy::AlwaysAllow;
    }
    budget
}

/// Puts something into a world that blocks a drain, for good or for long.
fn block(rng: &mut Rng, spec: &mut WorldSpec) {
    let movable = |workload: &&mut WorkloadSpec| workload.kind == WorkloadKind::Deployment;
    let Some(workload) = spec.workloads.iter_mut().find(movable) else { return };
    match rng.between(0, 6) {
        0 => {
            workload.budgets =
                vec![BudgetSpec { min_available: Some(IntOrPercent::Percent(100)), ..BudgetSpec::default() }];
        }
        1 => {
            let one = || BudgetSpec { max_unavailable: Some(IntOrPercent::Int(1)), ..BudgetSpec::default() };
            workload.budgets = vec![one(), BudgetSpec { name: Some("second".to_owned()), ..one() }];
        }
        2 => workload.trouble = Some(Trouble { kind: TroubleKind::StuckTerminating, with: TroubleWith::First }),
        3 => workload.trouble = Some(Trouble { kind: TroubleKind::CrashLoop, with: TroubleWith::First }),
        4 => workload.trouble = Some(Trouble { kind: TroubleKind::NeverReady, with: TroubleWith::New }),
        5 => workload.tolerations = vec![TolerationSpec::default()],
        _ => {
            workload.webhook = Some(WebhookSpec {
                name: "guard.example.com".to_owned(),
                message: "not now".to_owned(),
                until: rng.percent(50).then(|| rng.millis(30_000, 600_000)),
                down: false,
            });
        }
    }
}

fn fault(rng: &mut Rng, spec: &WorldSpec) -> Fault {
    let at = rng.millis(1000, 900_000);
    let node = *rng
        .pick(&[Target::First, Target::Last, Target::Cordoned, Target::Cordoned, Target::Serving, Target::Newest])
        .unwrap_or(&Target::First);
    let workload = rng.pick(&spec.workloads).map(|known| format!("{}/{}", known.namespace, known.name));
    let lasts = Some(rng.millis(10_000, 300_000));
    let what = match (rng.between(0, 8), workload) {
        (0, _) => FaultKind::SpotLoss { node },
        (1, _) => FaultKind::NotReady { node, lasts, says: None },
        (2, _) => FaultKind::LaunchesFail { lasts, zone: None, reason: None },
        (3, _) => FaultKind::Uncordon { node: Target::Cordoned },
        (4, _) => FaultKind::Cordon { node: Target::Serving },
        (5, Some(workload)) => FaultKind::DeletePod { workload },
        (6, _) => FaultKind::NeverJoin { lasts },
        (7, _) => FaultKind::Terminate { node },
        (_, _) => FaultKind::BudgetLag { lag: rng.millis(100, 12_000) },
    };
    Fault { at, what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::World;

    #[test]
    fn drawn_worlds_make_sense_and_can_be_built() {
        for seed in 0..300 {
            let spec = random_spec(seed);
            assert_eq!(spec.check(), Ok(()), "seed {seed}");
            assert!((3..=8).contains(&spec.nodes()) && (3..=10).contains(&spec.workloads.len()));
            let mut world = World::new(spec.clone(), seed);
            assert_eq!(world.available(), spec.nodes(), "seed {seed}");
            let end = crate::domain::later(world.now(), Duration::from_hours(2));
            world.advance_to(end);
            assert_eq!(random_spec(seed), spec);
        }
    }

    #[test]
    fn all_kinds_of_worlds_are_drawn() {
        let specs: Vec<WorldSpec> = (0..300).map(random_spec).collect();
        let some = |holds: &dyn Fn(&WorldSpec) -> bool| specs.iter().filter(|spec| holds(spec)).count();
        assert!(some(&|spec| spec.replies.lost > 0) > 50);
        assert!(some(&|spec| spec.faults.iter().any(|f| matches!(f.what, FaultKind::SpotLoss { .. }))) > 20);
        assert!(some(&|spec| spec.group.nodegroup.is_none()) > 40);
        let kinds = [WorkloadKind::StatefulSet, WorkloadKind::DaemonSet, WorkloadKind::Job, WorkloadKind::Pod];
        for (kind, least) in kinds.into_iter().zip([50, 50, 50, 5]) {
            assert!(some(&|spec| spec.workloads.iter().any(|workload| workload.kind == kind)) > least, "{kind:?}");
        }
        let blocked = some(&|spec| spec.workloads.iter().any(|workload| workload.trouble.is_some()));
        assert!((3..80).contains(&blocked), "{blocked}");
    }
}
