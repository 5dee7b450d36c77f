//! Ways out for pods that no node takes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::{
    pending::taint_words,
    placing::TooLarge,
    requests,
    scene::{Scene, behind},
};
use super::{kubectl, surge};
use crate::domain::{
    Command, Node, NodeName, Object, Owner, Pod, Remedy, Requirement, Rounding, SelectorOperator, Taint, Workload,
};

pub(in super::super) fn no_room(pod: &Pod, fewer: Option<(Object, u32)>) -> Vec<Remedy> {
    [surge(1)].into_iter().chain(scale(fewer)).chain([describe(pod)]).collect()
}

pub(in super::super) fn apart(pod: &Pod, workload: Option<&Workload>, fewer: Option<(Object, u32)>) -> Vec<Remedy> {
    let softer = workload.and_then(|workload| softer(pod, workload));
    [surge(1)].into_iter().chain(scale(fewer)).chain(softer).chain([describe(pod)]).collect()
}

pub(in super::super) fn too_large(pod: &Pod, template: Option<&Value>, too_large: &TooLarge) -> Vec<Remedy> {
    let less = template.and_then(|template| ask_for_less(pod, template, too_large));
    less.into_iter().chain(back_in_service(&too_large.larger)).chain([larger_types(), describe(pod)]).collect()
}

pub(in super::super) fn stranded(cordoned: &[NodeName]) -> Vec<Remedy> {
    back_in_service(cordoned).into_iter().chain([surge(2)]).collect()
}

pub(in super::super) fn affinity(
    pod: &Pod,
    template: Option<&Value>,
    lacking: &[Requirement],
    node: Option<&Node>,
) -> Vec<Remedy> {
    let label = node.and_then(|node| label(node, lacking));
    let drop = template.and_then(|template| ask_for_nothing(pod, template));
    label.into_iter().chain(drop).chain([describe(pod)]).collect()
}

pub(in super::super) fn tainted(
    scene: &Scene<'_>,
    pod: &Pod,
    template: Option<&Value>,
    taints: &BTreeMap<NodeName, Vec<&Taint>>,
) -> Vec<Remedy> {
    // Another group's may be tainted for a reason.
    let ours = taints.iter().find(|(node, _)| scene.view.snapshot.node(node).is_some());
    let untaint = ours.or(taints.first_key_value()).map(|(node, taints)| {
        let off = taints.iter().map(|taint| format!("'{}:{}-'", taint.key, taint.effect));
        let on = taints.iter().map(|taint| format!("'{}'", taint_words(taint)));
        let words = |each: Vec<String>| vec![Command::Kubectl(format!("taint nodes {node} {}", each.join(" ")))];
        let risk = "everything may go there then";
        Remedy::fix("take the taint off one of them, if it should not be there", words(off.collect()), risk)
            .back(words(on.collect()))
    });
    let tolerate = template.zip(taints.values().next());
    let tolerate = tolerate.and_then(|(template, taints)| tolerate_them(pod, template, taints));
    untaint.into_iter().chain(tolerate).chain([describe(pod)]).collect()
}

pub(in super::super) fn gated(pod: &Pod, gates: &[String]) -> Vec<Remedy> {
    let (ns, name) = (&pod.id.namespace, &pod.id.name);
    let look = kubectl(ns, &format!("get pod/{name} -o jsonpath='{{.spec.schedulingGates}}{{\"\\n\"}}'"));
    let look = Remedy::look("whose gates they are: the controller of that name takes them away", vec![look]);
    // Each is removed where the first one stands then; a list that has changed meanwhile stops the command.
    let steps = gates.iter().flat_map(|gate| {
        [
            json!({ "op": "test", "path": "/spec/schedulingGates/0/name", "value": gate }),
            json!({ "op": "remove", "path": "/spec/schedulingGates/0" }),
        ]
    });
    let steps: Value = steps.collect();
    let open = (!gates.is_empty()).then(|| {
        let open = kubectl(ns, &format!("patch pod/{name} --type=json -p '{steps}'"));
        let risk = "it starts without what the gate waits for, past the quota of a queue; no gate can be put back";
        Remedy::fix("take them away by hand", vec![open], risk)
    });
    std::iter::once(look).chain(open).collect()
}

pub(in super::super) fn no_scheduler(pod: &Pod, scheduler: Option<&str>) -> Vec<Remedy> {
    let ns = &pod.id.namespace;
    let look = kubectl(ns, &format!("get pod/{} -o jsonpath='{{.spec.schedulerName}}{{\"\\n\"}}'", pod.id.name));
    let look = Remedy::look("whether the scheduler that it names runs", vec![look]);
    let named = scheduler.filter(|name| *name != DEFAULT_SCHEDULER).zip(template_owner(pod));
    let change = named.map(|(name, owner)| {
        let to = |name: &str| {
            let patch = json!({ "spec": { "template": { "spec": { "schedulerName": name } } } });
            vec![kubectl(ns, &format!("patch {owner} --type=merge -p '{patch}'"))]
        };
        let risk = format!("rolls its pods; what {name} sees to, such as gangs or topology, does not hold then");
        Remedy::fix("let the default scheduler place them", to(DEFAULT_SCHEDULER), risk).back(to(name))
    });
    std::iter::once(look).chain(change).collect()
}

pub(in super::super) fn unbound(pod: &Pod, claim: &str) -> Vec<Remedy> {
    let ns = &pod.id.namespace;
    let look = vec![kubectl(ns, &format!("describe pvc/{claim}")), Command::Kubectl("get storageclass".to_owned())];
    let driver = "-n kube-system logs deployment/ebs-csi-controller -c csi-provisioner --tail=50";
    vec![
        Remedy::look("why nobody makes a volume for it", look),
        Remedy::look("what the provisioner says", vec![Command::Kubectl(driver.to_owned())]),
    ]
}

pub(in super::super) fn unclear(pod: &Pod, words: &str, fewer: Option<(Object, u32)>) -> Vec<Remedy> {
    let a_node_helps = ["free ports", "max volume count"].iter().any(|reason| words.contains(reason));
    let room = a_node_helps.then(|| [surge(1)].into_iter().chain(scale(fewer)));
    [describe(pod)].into_iter().chain(room.into_iter().flatten()).collect()
}

/// The rules that a pod demands to be held.
const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";

const DEFAULT_SCHEDULER: &str = "default-scheduler";

/// A group has the types it was made with: a larger one means another group, or another launch template.
fn larger_types() -> Remedy {
    let line = "ec2 describe-instance-types --filters Name=current-generation,Values=true --query \
                'InstanceTypes[].[InstanceType,VCpuInfo.DefaultVCpus,MemoryInfo.SizeInMiB]' --output text";
    let what = "which instance type is large enough for it: a node group of such a type is the other way out";
    Remedy::look(what, vec![Command::Aws(line.to_owned())])
}

fn describe(pod: &Pod) -> Remedy {
    Remedy::look("what the scheduler says", vec![super::describe(&pod.id)])
}

/// The controller whose template makes such pods.
fn template_owner(pod: &Pod) -> Option<Owner> {
    let Object::Workload { owner, .. } = behind(pod) else { return None };
    matches!(owner.kind.as_str(), "Deployment" | "StatefulSet").then_some(owner)
}

fn scale(fewer: Option<(Object, u32)>) -> Option<Remedy> {
    let (Object::Workload { namespace, owner }, replicas) = fewer? else { return None };
    let to = |replicas: u32| vec![kubectl(&namespace, &format!("scale {owner} --replicas={replicas}"))];
    let risk = "one pod less meanwhile; an autoscaler or GitOps may undo it";
    Some(Remedy::fix("one replica less while it is upgraded", to(replicas - 1), risk).back(to(replicas)))
}

fn back_in_service(nodes: &[NodeName]) -> Option<Remedy> {
    let node = nodes.first()?;
    let uncordon = Command::Kubectl(format!("uncordon {node}"));
    let risk = "other pods may come back to it too; it still has to be replaced";
    let remedy = Remedy::fix("put a node back into service that can take it", vec![uncordon], risk);
    Some(remedy.back(vec![Command::Kubectl(format!("cordon {node}"))]))
}

/// What a pod can ask for less of.
const DIVISIBLE: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

/// So much of a node's room is left to DaemonSets and the system, in a hundred.
const LEFT: i64 = 20;

/// Takes from the container that asks for most what the whole pod is too large by.
fn ask_for_less(pod: &Pod, template: &Value, too_large: &TooLarge) -> Option<Remedy> {
    let TooLarge { resource, asks, most, larger: _ } = too_large;
    // Of what devices offer, requests and limits must be the same, and one GPU less may be none at all.
    let owner = template_owner(pod).filter(|_| DIVISIBLE.contains(&resource.as_str()))?;
    let of = |container: &Value| requests::asked(container).get(resource).copied().unwrap_or(0);
    let (index, container) = requests::containers(template).enumerate().max_by_key(|(_, container)| of(container))?;
    let name = container["name"].as_str()?;
    let less = of(container) - (asks - most * (100 - LEFT) / 100);
    if less <= 0 {
        return None;
    }
    let ns = &pod.id.namespace;
    let to =
        |amount: &str| vec![kubectl(ns, &format!("set resources {owner} -c {name} --requests='{resource}={amount}'"))];
    // As it stood there, to the letter.
    let back = requests::text(container, "requests", resource).map_or_else(
        || {
            let steps = without_request(index, container, resource);
            vec![kubectl(ns, &format!("patch {owner} --type=json -p '{steps}'"))]
        },
        |before| to(&before),
    );
    let risk = "rolls its pods; with too little of it they are slow or are killed: look at what they use first";
    let what = "ask for what the nodes have, a fifth left for DaemonSets";
    Some(Remedy::fix(what, to(&requests::written(resource, less)), risk).back(back))
}

/// Who names only a limit asks for that, and for nothing by itself.
fn without_request(index: usize, container: &Value, resource: &str) -> Value {
    let path = format!("/spec/template/spec/containers/{index}");
    let others = container["resources"]["requests"].as_object().is_some_and(|requests| !requests.is_empty());
    let of = if others { format!("/{resource}") } else { String::new() };
    json!([
        { "op": "test", "path": format!("{path}/name"), "value": container["name"] },
        { "op": "remove", "path": format!("{path}/resources/requests{of}") },
    ])
}

/// Keeps them apart where it can, and no longer at any price.
fn softer(pod: &Pod, workload: &Workload) -> Option<Remedy> {
    let owner = template_owner(pod)?;
    let rules = &workload.template["affinity"]["podAntiAffinity"][REQUIRED];
    let (to, back) = if rules.is_array() {
        without_rules(&owner, workload, rules)?
    } else {
        without_spread(workload.template["topologySpreadConstraints"].as_array()?)?
    };
    let patch = |steps: &Value| vec![kubectl(&pod.id.namespace, &format!("patch {owner} --type=json -p '{steps}'"))];
    let risk = "rolls its pods, and two of them may share a node";
    Some(Remedy::fix("do not require it for the time of the upgrade", patch(&to), risk).back(patch(&back)))
}

/// The rules of the pods that run keep a new one off as well, until one of them goes: its rollout must be allowed to take
/// one out beside those that are not Ready. A `StatefulSet` takes one out only once the others are Ready.
fn without_rules(owner: &Owner, workload: &Workload, rules: &Value) -> Option<(Value, Value)> {
    const OUT: &str = "/spec/strategy/rollingUpdate/maxUnavailable";
    let replicas = workload.replicas.filter(|_| owner.kind == "Deployment")?;
    let path = format!("/spec/template/spec/affinity/podAntiAffinity/{REQUIRED}");
    let rule = (json!({ "op": "remove", "path": path }), json!({ "op": "add", "path": path, "value": rules }));
    let needed = replicas.saturating_sub(workload.ready) + 1;
    let too_few = workload.may_be_out.filter(|out| out.of(replicas, Rounding::Down) < needed);
    let out = |value: Value| json!({ "op": "replace", "path": OUT, "value": value });
    let out = too_few.map(|before| (out(json!(needed)), out(json!(before))));
    let (to, back): (Vec<_>, Vec<_>) = std::iter::once(rule).chain(out).unzip();
    Some((to.into(), back.into()))
}

fn without_spread(rules: &[Value]) -> Option<(Value, Value)> {
    let hard = rules.iter().enumerate().filter(|(_, rule)| rule["whenUnsatisfiable"] != "ScheduleAnyway");
    let hard: Vec<_> = hard.map(|(index, _)| index).collect();
    let set = |value: &str| -> Value {
        let path = |index: &usize| format!("/spec/template/spec/topologySpreadConstraints/{index}/whenUnsatisfiable");
        hard.iter().map(|index| json!({ "op": "replace", "path": path(index), "value": value })).collect()
    };
    (!hard.is_empty()).then(|| (set("ScheduleAnyway"), set("DoNotSchedule")))
}

/// Gives a node the labels that are lacking, where a person may choose them.
fn label(node: &Node, lacking: &[Requirement]) -> Option<Remedy> {
    let chosen = |demand: &Requirement| {
        let value = match demand.operator {
            SelectorOperator::In => demand.values.first()?.clone(),
            SelectorOperator::Exists => String::new(),
            SelectorOperator::NotIn | SelectorOperator::DoesNotExist | SelectorOperator::Gt | SelectorOperator::Lt => {
                return None;
            }
        };
        let domain = demand.key.split_once('/').map_or("", |(domain, _)| domain);
        let is_of_the_platform =
            ["kubernetes.io", "k8s.io", "amazonaws.com", "k8s.aws"].iter().any(|owner| domain.ends_with(owner));
        (!is_of_the_platform).then(|| (demand.key.clone(), value))
    };
    let labels: Vec<_> = lacking.iter().map(chosen).collect::<Option<_>>()?;
    if labels.is_empty() {
        return None;
    }
    let set = labels.iter().map(|(key, value)| format!("'{key}={value}'")).collect::<Vec<_>>();
    let unset = labels.iter().map(|(key, _)| match node.labels.get(key) {
        Some(before) => format!("'{key}={before}'"),
        None => format!("'{key}-'"),
    });
    let overwrite = if labels.iter().any(|(key, _)| node.labels.contains_key(key)) { " --overwrite" } else { "" };
    let line =
        |words: Vec<String>| vec![Command::Kubectl(format!("label node/{} {}{overwrite}", node.name, words.join(" ")))];
    let risk =
        "other pods go there too that ask for it; it holds for this node only, so put it into the node group as well";
    Some(Remedy::fix("give a node what is asked for", line(set), risk).back(line(unset.collect())))
}

fn ask_for_nothing(pod: &Pod, template: &Value) -> Option<Remedy> {
    let owner = template_owner(pod)?;
    let demands = [
        ("/spec/template/spec/nodeSelector".to_owned(), &template["nodeSelector"]),
        (
            format!("/spec/template/spec/affinity/nodeAffinity/{REQUIRED}"),
            &template["affinity"]["nodeAffinity"][REQUIRED],
        ),
    ];
    let there: Vec<_> = demands.into_iter().filter(|(_, value)| value.is_object()).collect();
    if there.is_empty() {
        return None;
    }
    let to: Value = there.iter().map(|(path, _)| json!({ "op": "remove", "path": path })).collect();
    let back: Value = there.iter().map(|(path, value)| json!({ "op": "add", "path": path, "value": value })).collect();
    let patch = |steps: &Value| vec![kubectl(&pod.id.namespace, &format!("patch {owner} --type=json -p '{steps}'"))];
    let risk = "rolls its pods, and they may go to any node";
    Some(Remedy::fix("ask for nothing of the node", patch(&to), risk).back(patch(&back)))
}

fn tolerate_them(pod: &Pod, template: &Value, taints: &[&Taint]) -> Option<Remedy> {
    const PATH: &str = "/spec/template/spec/tolerations";
    let owner = template_owner(pod)?;
    let patch = |steps: Value| vec![kubectl(&pod.id.namespace, &format!("patch {owner} --type=json -p '{steps}'"))];
    let more = taints
        .iter()
        .map(|taint| json!({ "key": taint.key, "operator": "Exists", "effect": taint.effect.to_string() }));
    let before = template["tolerations"].as_array().filter(|list| !list.is_empty());
    let all: Vec<Value> = before.into_iter().flatten().cloned().chain(more).collect();
    let to = patch(json!([{ "op": "add", "path": PATH, "value": all }]));
    let back = match before {
        Some(before) => patch(json!([{ "op": "replace", "path": PATH, "value": before }])),
        None => patch(json!([{ "op": "remove", "path": PATH }])),
    };
    let risk = "rolls its pods, and they may go to nodes that are kept for others";
    Some(Remedy::fix("let its pods tolerate it", to, risk).back(back))
}
