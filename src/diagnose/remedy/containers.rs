//! Ways out for pods that have a node and are not Ready.

use serde_json::Value;

use super::{delete, describe, kubectl, nodes::offers};
use crate::{
    diagnose::{
        containers::Registry,
        scene::{Scene, behind},
    },
    domain::{
        Ask, Command, Container, InstanceId, Known, NodeName, Object, Owner, Pod, Quantity, Remedy, Subnet, Workload,
    },
};

pub(in crate::diagnose) fn crash_loop(scene: &Scene<'_>, pod: &Pod, container: &Container) -> Vec<Remedy> {
    let (ns, name) = (&pod.id.namespace, &pod.id.name);
    let logs = kubectl(ns, &format!("logs pod/{name} -c {} --previous", container.name));
    let look = Remedy::look("why it ends", vec![logs, describe(&pod.id)]);
    let killed = container.last_exit().and_then(|exit| exit.reason.as_deref()) == Some("OOMKilled");
    let memory = killed.then(|| more_memory(scene, pod, &container.name)).flatten();
    std::iter::once(look).chain(memory).chain(undo(scene, pod)).collect()
}

pub(in crate::diagnose) fn init_fails(scene: &Scene<'_>, pod: &Pod, init: &str) -> Vec<Remedy> {
    let (ns, name) = (&pod.id.namespace, &pod.id.name);
    let logs = kubectl(ns, &format!("logs pod/{name} -c {init} --tail=50"));
    let look = Remedy::look("what it waits for, or ends with", vec![logs, describe(&pod.id)]);
    let again = pod.owner.is_some().then(|| {
        delete(pod, "its work begins anew; helps where what it waits for is back, or where only this one is stuck")
    });
    std::iter::once(look).chain(again).chain(undo(scene, pod)).collect()
}

pub(in crate::diagnose) fn config_missing(scene: &Scene<'_>, pod: &Pod, words: &str) -> Vec<Remedy> {
    let ns = &pod.id.namespace;
    let there = vec![describe(&pod.id), kubectl(ns, "get secret,configmap")];
    let look = Remedy::look("what it names, and what there is", there);
    let named = |kind: &str| {
        let (_, rest) = words.split_once(&format!("{kind} \""))?;
        rest.split_once("\" not found").map(|(name, _)| name.rsplit('/').next().unwrap_or(name))
    };
    let make = |kind: &str, command: &str| {
        let name = named(kind)?;
        let make = Remedy::fix(
            format!("make {kind} {name}, empty; the kubelet finds it at its next try"),
            vec![kubectl(ns, &format!("create {command} {name}"))],
            "the program starts without what it would read there; its operator may make it otherwise",
        );
        Some(make.back(vec![kubectl(ns, &format!("delete {kind}/{name}"))]))
    };
    let made = make("secret", "secret generic").or_else(|| make("configmap", "configmap"));
    std::iter::once(look).chain(undo(scene, pod)).chain(made).collect()
}

pub(in crate::diagnose) fn image_pull(scene: &Scene<'_>, pod: &Pod, answer: Registry) -> Vec<Remedy> {
    let (ns, name) = (&pod.id.namespace, &pod.id.name);
    let describe = describe(&pod.id);
    let secrets = || {
        kubectl(
            ns,
            &format!("get pod/{name} -o jsonpath='{{.spec.imagePullSecrets}} {{.spec.serviceAccountName}}{{\"\\n\"}}'"),
        )
    };
    let first = match answer {
        Registry::RateLimit => {
            Some(Remedy::wait("it is tried again every five minutes, until the registry's window is over"))
        }
        Registry::Network => {
            Some(Remedy::wait("it is tried again every five minutes, once the registry can be reached"))
        }
        Registry::Denied | Registry::Processor | Registry::NotFound | Registry::Other => None,
    };
    let look = match answer {
        Registry::Denied => Remedy::look("with which secret it is pulled", vec![secrets(), describe]),
        Registry::Processor => {
            let nodes = Command::Kubectl("get nodes -L kubernetes.io/arch".to_owned());
            Remedy::look("which processors there are: its template can ask for one", vec![nodes, describe])
        }
        Registry::RateLimit | Registry::Network | Registry::NotFound | Registry::Other => {
            Remedy::look("what the registry answers", vec![describe])
        }
    };
    first.into_iter().chain([look]).chain(undo(scene, pod)).collect()
}

pub(in crate::diagnose) fn not_ready(scene: &Scene<'_>, pod: &Pod) -> Vec<Remedy> {
    let (ns, name) = (&pod.id.namespace, &pod.id.name);
    let look = vec![describe(&pod.id), kubectl(ns, &format!("logs pod/{name} --all-containers"))];
    let look = Remedy::look("what its readiness probe says", look);
    let again =
        pod.owner.is_some().then(|| delete(pod, "what it does now is cut off; helps only where it alone is stuck"));
    std::iter::once(look).chain(again).chain(undo(scene, pod)).collect()
}

pub(in crate::diagnose) fn probe_gate(pod: &Pod, gate: &str) -> Vec<Remedy> {
    let (ns, name) = (&pod.id.namespace, &pod.id.name);
    let range = "{range .status.conditions[*]}{.type}={.status} {.message}{\"\\n\"}{end}";
    let conditions = kubectl(ns, &format!("get pod/{name} -o jsonpath='{range}'"));
    if !gate.starts_with("target-health.elbv2.k8s.aws/") {
        return vec![Remedy::look("what whoever opens it says", vec![conditions])];
    }
    let controller = "deployment/aws-load-balancer-controller";
    let run = vec![
        conditions,
        kubectl("kube-system", &format!("logs {controller} --tail=100")),
        kubectl(ns, "get targetgroupbindings"),
    ];
    let restart = vec![kubectl("kube-system", &format!("rollout restart {controller}"))];
    vec![
        Remedy::look("what the load balancer says of its target", run),
        Remedy::fix("start its controller anew", restart, "changes of load balancers wait meanwhile"),
    ]
}

pub(in crate::diagnose) fn sandbox(pod: &Pod) -> Vec<Remedy> {
    let describe = describe(&pod.id);
    let again = pod.owner.is_some().then(|| delete(pod, "it never ran; the scheduler may choose the same node again"));
    let agent = pod.node.as_ref().map(|node| {
        let pods = kubectl("kube-system", &format!("get pods {} -o wide", agent_of(node)));
        [Remedy::look("the network agent of that node", vec![describe.clone(), pods]), agent_anew(node)]
    });
    let [look, anew] = match agent {
        Some([look, anew]) => [Some(look), Some(anew)],
        None => [Some(Remedy::look("what the kubelet says", vec![describe])), None],
    };
    look.into_iter().chain(again).chain(anew).collect()
}

/// Where its subnet has some left, the node does not get at them: it has as many interfaces as its type may have, or its
/// network agent is stuck. Else what each node keeps in reserve is the first to go.
pub(in crate::diagnose) fn no_address(scene: &Scene<'_>, pod: &Pod, subnets: &[&Subnet]) -> Vec<Remedy> {
    let ids: Vec<_> = subnets.iter().map(|subnet| subnet.id.as_str()).collect();
    let query = "--query 'Subnets[].[SubnetId,AvailabilityZone,AvailableIpAddressCount]' --output text";
    let free =
        (!ids.is_empty()).then(|| Command::Aws(format!("ec2 describe-subnets --subnet-ids {} {query}", ids.join(" "))));
    let node = pod.node.as_ref().and_then(|node| scene.view.snapshot.node(node));
    let log = node.and_then(|node| node.instance.as_ref()).map(network_log);
    let look = Remedy::look("whether the subnet or the node has none left", free.into_iter().chain(log).collect());
    if subnets.iter().any(|subnet| subnet.free > 0) {
        let elsewhere = pod.owner.is_some().then(|| delete(pod, "the scheduler may choose the same node again"));
        let anew = pod.node.as_ref().map(|node| [agent_on(node), agent_anew(node)]);
        return std::iter::once(look).chain(anew.into_iter().flatten()).chain(elsewhere).collect();
    }
    let wait = Remedy::wait("old nodes give their addresses back as they go");
    [wait, look].into_iter().chain(fewer_spares(scene)).collect()
}

/// The pods of the VPC CNI on this node.
fn agent_of(node: &NodeName) -> String {
    format!("-l k8s-app=aws-node --field-selector spec.nodeName={node}")
}

fn agent_on(node: &NodeName) -> Remedy {
    let pods = kubectl("kube-system", &format!("get pods {} -o wide", agent_of(node)));
    Remedy::look("the network agent of that node, and how many pods it may have", vec![pods, offers(node)])
}

fn agent_anew(node: &NodeName) -> Remedy {
    let anew = vec![kubectl("kube-system", &format!("delete pods {}", agent_of(node)))];
    let risk = "for seconds no pod there can start or stop; those that run keep their network";
    Remedy::fix("start the network agent of that node anew", anew, risk)
}

/// The daemon of the VPC CNI writes to a file on its node, and not to its own output.
pub(super) fn network_log(instance: &InstanceId) -> Command {
    Command::Aws(format!(
        "ssm start-session --target {instance} --document-name AWS-StartInteractiveCommand --parameters \
         command='sudo tail -n 50 /var/log/aws-routed-eni/ipamd.log'"
    ))
}

/// Every node of the cluster gives back what it keeps in reserve; what was set before is shown, and put back where it is
/// a plain value.
pub(super) fn fewer_spares(scene: &Scene<'_>) -> Vec<Remedy> {
    let agent = Owner { kind: "DaemonSet".to_owned(), name: "aws-node".to_owned() };
    let Known::Is(Some(agent)) = scene.ask(&Ask::workload("kube-system", &agent)) else { return Vec::new() };
    let containers = agent.template.get("containers").and_then(Value::as_array);
    let daemon = containers.into_iter().flatten().find(|container| container["name"] == "aws-node");
    let before = |name: &str| -> Option<String> {
        let env = daemon?["env"].as_array();
        let Some(set) = env.into_iter().flatten().find(|entry| entry["name"] == name) else {
            return Some(format!("{name}-"));
        };
        // Taken from elsewhere it cannot be put back by a value.
        set["valueFrom"].is_null().then(|| format!("{name}={}", set["value"].as_str().unwrap_or_default()))
    };
    let env = |rest: &str| kubectl("kube-system", &format!("set env daemonset/aws-node -c aws-node {rest}"));
    let look = Remedy::look("what each node keeps in reserve now: note it, before it is changed", vec![env("--list")]);
    let risk = "pods start slower and EC2 is called more often; it rolls aws-node, and an EKS add-on may undo it";
    let fewer = "keep fewer spare addresses on each node";
    let fix = Remedy::fix(fewer, vec![env("WARM_IP_TARGET=2 MINIMUM_IP_TARGET=10")], risk);
    let back = before("WARM_IP_TARGET").zip(before("MINIMUM_IP_TARGET"));
    let fix = match back {
        Some((warm, minimum)) => fix.back(vec![env(&format!("{warm} {minimum}"))]),
        None => Remedy { risk: format!("{risk}; what was set before is put back by hand"), ..fix },
    };
    vec![look, fix]
}

pub(in crate::diagnose) fn starting(pod: &Pod) -> Vec<Remedy> {
    let describe = describe(&pod.id);
    vec![Remedy::wait("it takes its time"), Remedy::look("how far it is", vec![describe])]
}

/// Twice the memory that it may use now, where its template says how much that is.
fn more_memory(scene: &Scene<'_>, pod: &Pod, container: &str) -> Option<Remedy> {
    let Object::Workload { owner, namespace } = behind(pod) else { return None };
    let workload = scene.workload(pod)?;
    let containers = workload.template["containers"].as_array()?;
    let limits = &containers.iter().find(|known| known["name"] == container)?["resources"]["limits"];
    let now = limits["memory"].as_str()?;
    let set =
        |memory: &str| kubectl(&namespace, &format!("set resources {owner} -c {container} --limits=memory={memory}"));
    let risk = format!("rolls its pods, which then need nodes with room for it{}", put_back(workload));
    let more = Remedy::fix("twice the memory", vec![set(&Quantity::parse(now)?.times(2).to_string())], risk);
    Some(more.back(vec![set(now)]))
}

/// The former template, where there is one.
pub(super) fn undo(scene: &Scene<'_>, pod: &Pod) -> Option<Remedy> {
    let Object::Workload { owner, namespace } = behind(pod) else { return None };
    let workload = scene.workload(pod)?;
    let undo = vec![kubectl(&namespace, &format!("rollout undo {owner}"))];
    workload.revision.filter(|revision| *revision > 1)?;
    // Undone again it would bring back what is broken: that is no way back.
    let risk = format!("all its pods go back to the old version{}", put_back(workload));
    Some(Remedy::fix("go back to its template before the last change", undo, risk))
}

/// Whoever else writes it may undo what is done by hand.
pub(super) fn put_back(workload: &Workload) -> String {
    let writer = workload.managed_by.clone().or_else(|| workload.owner.as_ref().map(ToString::to_string));
    writer.map(|writer| format!("; {writer} may put it back")).unwrap_or_default()
}
