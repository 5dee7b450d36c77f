//! Busy worlds in which nothing is wrong for long: whatever is told there is a false alarm.

use std::time::Duration;

use mngup::{
    domain::{Diagnosis, IntOrPercent, later},
    sim::{
        Rng, WorldSpec,
        spec::{BudgetSpec, Fault, FaultKind, Target, WorkloadKind, WorkloadSpec},
    },
};

use crate::{begin, worlds};

/// Worlds in a plain `cargo test`.
const WORLDS: u64 = 1000;

/// Long enough for the largest of them.
const HOURS: u64 = 3;

#[test]
fn score_of_healthy_worlds() {
    let seeds = worlds::seeds(WORLDS);
    let count = seeds.end - seeds.start;
    let alarms: Vec<String> = worlds::each(seeds, alarm).into_iter().flatten().collect();
    eprintln!("{count} healthy worlds, {} false alarms", alarms.len());
    assert!(alarms.is_empty(), "{alarms:#?}");
}

fn alarm(seed: u64) -> Option<String> {
    let mut rehearsal = begin(&healthy(seed));
    let end = later(rehearsal.world().now(), Duration::from_hours(HOURS));
    rehearsal.play_until(end).expect("an upgrade keeps every promise");
    let alarm = rehearsal.diagnoses().find_map(|found: &Diagnosis| found.blocking().next().map(|f| (found.at, f)));
    if let Some((at, finding)) = alarm {
        return Some(format!("seed {seed} at {at}: {} {}", finding.cause, finding.says));
    }
    // A world whose upgrade stands still would prove nothing.
    rehearsal.ended().is_none().then(|| format!("seed {seed}: the upgrade does not end"))
}

/// A few workloads that start and stop in their own time, with room to move, while somebody else is at work too.
fn healthy(seed: u64) -> WorldSpec {
    let mut rng = Rng::new(seed);
    let zones = [("a", rng.between(2, 3)), ("b", rng.between(2, 3))];
    let mut spec = WorldSpec::with_old_nodes(&zones);
    spec.workloads = (0..rng.between(2, 5)).map(|index| workload(&mut rng, index)).collect();
    spec.faults = (0..rng.between(0, 3)).map(|_| fault(&mut rng)).collect();
    spec
}

fn workload(rng: &mut Rng, index: u32) -> WorkloadSpec {
    let kind = if rng.between(0, 3) == 0 { WorkloadKind::StatefulSet } else { WorkloadKind::Deployment };
    let seconds = |rng: &mut Rng, low, high| Duration::from_secs(rng.between(low, high).into());
    let budget = BudgetSpec { max_unavailable: Some(IntOrPercent::Int(rng.between(1, 2))), ..BudgetSpec::default() };
    WorkloadSpec {
        replicas: rng.between(2, 6),
        start: seconds(rng, 1, 10),
        ready: seconds(rng, 1, 25),
        stop: seconds(rng, 1, 25),
        budgets: if rng.between(0, 4) == 0 { Vec::new() } else { vec![budget] },
        ..WorkloadSpec::new(kind, format!("app-{index}"))
    }
}

fn fault(rng: &mut Rng) -> Fault {
    let at = Duration::from_secs(rng.between(1, 1200).into());
    let what = match rng.between(0, 4) {
        0 => {
            let lasts = Some(Duration::from_secs(rng.between(5, 30).into()));
            FaultKind::NotReady { node: Target::Serving, lasts, says: None }
        }
        1 => FaultKind::DeletePod { workload: "default/app-0".to_owned() },
        2 => FaultKind::BudgetLag { lag: Duration::from_secs(rng.between(1, 8).into()) },
        3 => FaultKind::LaunchesFail { lasts: Some(Duration::from_secs(30)), zone: None, reason: None },
        _ => FaultKind::SpotLoss { node: Target::Newest },
    };
    Fault { at, what }
}
