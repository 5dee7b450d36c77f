//! Rules of the real thing, and a naive drain that rolls worlds by hand.

mod answers;
mod budgets;
mod changes;
mod placing;
mod rolling;

use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::{
    domain::{Node, NodePatch, Pod, PodPhase, PodRef, Readiness, later},
    ports::{CloudAct, Effect, KubeAct, Outcome},
    sim::spec::{BudgetSpec, WorkloadKind, WorkloadSpec},
};

/// What is the matter with the pod, in words.
fn said(pod: &Pod) -> String {
    pod.trouble.as_ref().map(ToString::to_string).unwrap_or_default()
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn deployment(name: &str, replicas: u32) -> WorkloadSpec {
    WorkloadSpec { replicas, ..WorkloadSpec::new(WorkloadKind::Deployment, name) }
}

fn max_unavailable(count: u32) -> BudgetSpec {
    BudgetSpec { max_unavailable: Some(crate::domain::IntOrPercent::Int(count)), ..BudgetSpec::default() }
}

fn min_available(count: u32) -> BudgetSpec {
    BudgetSpec { min_available: Some(crate::domain::IntOrPercent::Int(count)), ..BudgetSpec::default() }
}

fn world(zones: &[(&str, u32)], workloads: Vec<WorkloadSpec>) -> World {
    let mut spec = WorldSpec::with_old_nodes(zones);
    spec.workloads = workloads;
    World::new(spec, 1)
}

fn wait(world: &mut World, span: Duration) {
    let until = later(world.now(), span);
    world.advance_to(until);
}

fn pods<'a>(world: &'a World, app: &str) -> Vec<&'a Pod> {
    world.pods().filter(|pod| pod.labels.get("app").is_some_and(|label| label == app)).collect()
}

fn first_pod(world: &World, app: &str) -> PodRef {
    pods(world, app)[0].id.clone()
}

fn node(world: &World, name: &NodeName) -> Node {
    world.nodes().find(|node| node.name == *name).unwrap().clone()
}

fn evict(world: &mut World, pod: &PodRef) -> Outcome {
    world.apply(&Effect::Kube(KubeAct::Evict { pod: pod.clone(), grace: None }))
}

fn delete(world: &mut World, pod: &PodRef, grace: Option<u32>) -> Outcome {
    world.apply(&Effect::Kube(KubeAct::DeletePod { pod: pod.clone(), grace }))
}

fn cordon(world: &mut World, node: &NodeName) {
    let patch = NodePatch { unschedulable: Some(true), ..NodePatch::default() };
    assert_eq!(world.apply(&Effect::Kube(KubeAct::PatchNode(node.clone(), patch))), Outcome::Done);
}

fn terminate(world: &mut World, node: &NodeName) -> Outcome {
    let instance = self::node(world, node).instance.unwrap();
    world.apply(&Effect::Cloud(CloudAct::Terminate { instance, decrement: false }))
}
