//! Room that is lacking makes budgets look blocked that only wait for another.

use std::time::Duration;

use mngup::{
    domain::{Cause, Finding, IntOrPercent, later},
    sim::{
        WorldSpec,
        spec::{BudgetSpec, Cpu, WorkloadKind, WorkloadSpec},
    },
};

use crate::begin;

/// Four full nodes, all of them to be emptied at once: a Deployment on three, and alone on the fourth this one.
fn full(ledger: u32) -> WorldSpec {
    let of = |name: &str, replicas, cpu, out| WorkloadSpec {
        replicas,
        cpu: Cpu(cpu),
        budgets: vec![BudgetSpec { max_unavailable: Some(IntOrPercent::Int(out)), ..BudgetSpec::default() }],
        ..WorkloadSpec::new(WorkloadKind::Deployment, name)
    };
    let mut spec = WorldSpec::with_old_nodes(&[("a", 2), ("b", 2)]);
    spec.workloads = vec![of("ledger", 1, 1800, ledger), of("cart", 6, 900, 1)];
    if let Some(nodegroup) = &mut spec.group.nodegroup {
        nodegroup.max_unavailable = Some(IntOrPercent::Percent(100));
    }
    spec
}

/// What is told to be acted on a few minutes in.
fn blocking(spec: &WorldSpec) -> Vec<Finding> {
    let mut rehearsal = begin(spec);
    let at = later(rehearsal.world().now(), Duration::from_mins(5));
    rehearsal.play_until(at).expect("an upgrade keeps every promise");
    rehearsal.diagnoses().last().expect("it stands still").blocking().cloned().collect()
}

#[test]
fn one_blocked_budget_is_the_root_of_those_that_wait_for_its_node() {
    let found = blocking(&full(0));
    let codes: Vec<_> = found.iter().map(|finding| finding.cause).collect();
    assert_eq!(codes, [Cause::PdbNeverAllows], "{found:#?}");
    let under: Vec<_> = found[0].under.iter().map(|symptom| symptom.cause).collect();
    assert_eq!(under, [Cause::PdbExhausted, Cause::NoCapacity]);
    assert_eq!(found[0].holds.nodes.len(), 4);
}

#[test]
fn those_that_wait_for_each_other_are_told_once_and_an_extra_node_ends_it() {
    let mut spec = full(1);
    // Nobody is alone on a node: each waits for room that only the others could make.
    spec.workloads = vec![WorkloadSpec { replicas: 8, ..spec.workloads.remove(1) }];
    let found = blocking(&spec);
    let codes: Vec<_> = found.iter().map(|finding| finding.cause).collect();
    assert_eq!(codes, [Cause::NoCapacity], "{found:#?}");
    assert!(found[0].evidence.iter().any(|proof| proof.says.starts_with("each waits for the other: ")));
    assert_eq!(found[0].remedies[0].what, "one node more while it is upgraded");
}
