//! Ways out for nodes that do not serve, and for Nodes that do not go.

use super::kubectl;
use crate::{
    diagnose::scene::Scene,
    domain::{Command, DaemonSetRef, InstanceId, Node, NodeName, Pod, Remedy, Subnet, Taint, quoted},
};

pub(in crate::diagnose) fn silent(node: &Node) -> Vec<Remedy> {
    let mut look = vec![describe(&node.name)];
    look.extend(node.instance.as_ref().map(status_checks));
    let look = Remedy::look("what EC2 thinks of its machine", look);
    let risk = "what runs there ends without a goodbye; a fault of the host stays";
    std::iter::once(look)
        .chain(reboot(node, risk))
        .chain(replace(node, "what runs there ends, past every budget"))
        .collect()
}

pub(in crate::diagnose) fn not_ready(node: &Node, comes: bool) -> Vec<Remedy> {
    let look = Remedy::look("what else it says of itself, and its events", vec![describe(&node.name), events(node)]);
    let fix = if comes { replace(node, "none: it never served") } else { empty_and_replace(node) };
    std::iter::once(look).chain(shell_on(node)).chain(fix).collect()
}

pub(in crate::diagnose) fn runtime(node: &Node) -> Vec<Remedy> {
    let look = Remedy::look("what else it says of itself, and its events", vec![describe(&node.name), events(node)]);
    let again = reboot(node, "all that runs there ends");
    let other = replace(node, "what runs there ends, past every budget");
    std::iter::once(look).chain(shell_on(node)).chain(again).chain(other).collect()
}

pub(in crate::diagnose) fn cni(node: &Node, plugins: &[&Pod]) -> Vec<Remedy> {
    let mut look = vec![pods_on(&node.name)];
    let logs = |pod: &&Pod| kubectl(&pod.id.namespace, &format!("logs pod/{} --all-containers --tail=50", pod.id.name));
    look.extend(plugins.iter().map(logs));
    let again = plugins.iter().map(|pod| {
        let delete = kubectl(&pod.id.namespace, &format!("delete pod/{}", pod.id.name));
        Remedy::fix("start the plugin anew there", vec![delete], "none there: the node is not Ready anyway")
    });
    let look = Remedy::look("why the network plugin does not come up", look);
    std::iter::once(look).chain(again).chain(replace(node, "what runs there ends, past every budget")).collect()
}

pub(in crate::diagnose) fn no_addresses(subnets: &[&Subnet]) -> Vec<Remedy> {
    let ids: Vec<_> = subnets.iter().map(|subnet| quoted(&subnet.id)).collect();
    let unused = (!ids.is_empty()).then(|| {
        let filters = format!("Name=subnet-id,Values={} Name=status,Values=available", ids.join(","));
        let list = format!("ec2 describe-network-interfaces --filters {filters}");
        let query = "--query 'NetworkInterfaces[].[NetworkInterfaceId,Description]' --output text";
        let free = format!("ec2 describe-subnets --subnet-ids {}", ids.join(" "));
        let numbers = "--query 'Subnets[].[SubnetId,AvailableIpAddressCount]' --output text";
        let run = vec![Command::Aws(format!("{free} {numbers}")), Command::Aws(format!("{list} {query}"))];
        Remedy::look("how many are free, and interfaces that nobody uses any more", run)
    });
    let plugin = "daemonset/aws-node";
    let env = "-o jsonpath='{.spec.template.spec.containers[?(@.name==\"aws-node\")].env}'";
    let before = Remedy::look(
        "how many spare addresses a node keeps now",
        vec![kubectl("kube-system", &format!("get {plugin} {env}"))],
    );
    let fewer = kubectl("kube-system", &format!("set env {plugin} WARM_IP_TARGET=2 MINIMUM_IP_TARGET=10"));
    let back = kubectl("kube-system", &format!("set env {plugin} WARM_IP_TARGET- MINIMUM_IP_TARGET-"));
    let risk = "pods start slower; it rolls aws-node on all nodes; where these were set before, put back those values";
    let fewer = Remedy::fix("fewer spare addresses a node", vec![fewer], risk).back(vec![back]);
    let one_by_one = Command::Upgrade("--max-surge 0 --max-unavailable 1".to_owned());
    let one_by_one = Remedy::fix(
        "no extra nodes: each old one gives its addresses back first",
        vec![one_by_one],
        "one node less during the run",
    );
    unused.into_iter().chain([before, fewer, one_by_one]).collect()
}

pub(in crate::diagnose) fn outlives(node: &Node, instance: &InstanceId) -> Vec<Remedy> {
    let state = "--query 'Reservations[].Instances[].[State.Name,StateTransitionReason]' --output text";
    let state = Command::Aws(format!("ec2 describe-instances --instance-ids {instance} {state}"));
    let finalizers = "-o jsonpath='{.spec.providerID} {.metadata.finalizers}'";
    let finalizers = Command::Kubectl(format!("get node/{} {finalizers}", node.name));
    let delete = Command::Kubectl(format!("delete node/{}", node.name));
    vec![
        Remedy::look(
            "whether its machine is gone indeed, and whether a finalizer keeps the Node",
            vec![state, finalizers],
        ),
        Remedy::fix(
            "delete the record",
            vec![delete],
            "where the instance does live, its kubelet may register again, without labels that were set by hand",
        ),
    ]
}

pub(in crate::diagnose) fn taint_stays(node: &Node, taint: &Taint) -> Vec<Remedy> {
    let Taint { key, value, effect } = taint;
    let name = &node.name;
    let look = Remedy::look("whether its agent runs there", vec![pods_on(&node.name), describe(&node.name)]);
    let off = Command::Kubectl(format!("taint nodes {name} {key}:{effect}-"));
    let on = if value.is_empty() { key.clone() } else { format!("{key}={value}") };
    let on = Command::Kubectl(format!("taint nodes {name} {on}:{effect}"));
    let risk = "pods come before the agent is ready, and may fail for want of network, storage or policy";
    vec![look, Remedy::fix("take it off by hand", vec![off], risk).back(vec![on])]
}

pub(in crate::diagnose) fn cordoned_new(node: &Node) -> Vec<Remedy> {
    let name = &node.name;
    let mut look = vec![writers(name)];
    look.extend(node.instance.as_ref().map(status_checks));
    let uncordon = Command::Kubectl(format!("uncordon {name}"));
    let risk = "a controller that cordoned it drains it next, with the pods that just came";
    let uncordon = Remedy::fix("let pods come to it", vec![uncordon], risk);
    vec![
        Remedy::look("who cordoned it, and whether its machine is well", look),
        uncordon.back(vec![Command::Kubectl(format!("cordon {name}"))]),
    ]
}

pub(in crate::diagnose) fn daemon_sets(node: &Node, sets: &[&DaemonSetRef]) -> Vec<Remedy> {
    let describe = |set: &&DaemonSetRef| kubectl(&set.namespace, &format!("describe daemonset/{}", set.name));
    let look = std::iter::once(pods_on(&node.name)).chain(sets.iter().map(describe)).collect();
    let longer = Command::Upgrade("--replacement-timeout 30m".to_owned());
    vec![
        Remedy::look("its pod there, or why there is none", look),
        Remedy::fix("give new nodes more time, where it comes up late", vec![longer], "none but time"),
    ]
}

pub(in crate::diagnose) fn resource_missing(scene: &Scene<'_>, node: &Node) -> Vec<Remedy> {
    let run = vec![offers(&node.name), pods_on(&node.name)];
    let look = Remedy::look("what it offers, and whether its device plugin runs there", run);
    let nodegroup = scene.view.snapshot.group().and_then(|group| group.nodegroup.as_ref()).map(|nodegroup| {
        let (cluster, name) = (quoted(nodegroup.cluster.as_str()), quoted(nodegroup.name.as_str()));
        let describe = format!("eks describe-nodegroup --cluster-name {cluster} --nodegroup-name {name}");
        let query = "--query 'nodegroup.[amiType,instanceTypes,launchTemplate]'";
        Remedy::look("whether its AMI is one with the driver", vec![Command::Aws(format!("{describe} {query}"))])
    });
    std::iter::once(look).chain(nodegroup).chain(replace(node, "none: it never served")).collect()
}

pub(in crate::diagnose) fn describe(node: &NodeName) -> Command {
    Command::Kubectl(format!("describe node/{node}"))
}

fn events(node: &Node) -> Command {
    let about = format!("--field-selector involvedObject.kind=Node,involvedObject.name={}", node.name);
    Command::Kubectl(format!("get events -A {about}"))
}

pub(in crate::diagnose) fn pods_on(node: &NodeName) -> Command {
    Command::Kubectl(format!("get pods -A -o wide --field-selector spec.nodeName={node}"))
}

/// What it says it has, and what of that pods may have.
pub(in crate::diagnose) fn offers(node: &NodeName) -> Command {
    Command::Kubectl(format!("get node/{node} -o jsonpath='{{.status.capacity}}{{\"\\n\"}}{{.status.allocatable}}'"))
}

/// Who wrote to it, and when.
pub(in crate::diagnose) fn writers(node: &NodeName) -> Command {
    let who = "-o jsonpath='{range .metadata.managedFields[*]}{.manager} {.time}{\"\\n\"}{end}'";
    Command::Kubectl(format!("get node/{node} --show-managed-fields {who}"))
}

fn status_checks(instance: &InstanceId) -> Command {
    let query = "'InstanceStatuses[].[InstanceState.Name,SystemStatus.Status,InstanceStatus.Status]'";
    Command::Aws(format!(
        "ec2 describe-instance-status --instance-ids {instance} --include-all-instances --query {query} --output text"
    ))
}

fn shell_on(node: &Node) -> Option<Remedy> {
    let session = Command::Aws(format!("ssm start-session --target {}", node.instance.as_ref()?));
    Some(Remedy::look("disk, memory and the logs of kubelet and containerd on it", vec![session]))
}

fn reboot(node: &Node, risk: &str) -> Option<Remedy> {
    let reboot = Command::Aws(format!("ec2 reboot-instances --instance-ids {}", node.instance.as_ref()?));
    Some(Remedy::fix("restart the machine", vec![reboot], risk))
}

fn replace(node: &Node, risk: &str) -> Option<Remedy> {
    let instance = node.instance.as_ref()?;
    Some(Remedy::fix("replace it", vec![terminate(instance)], format!("{risk}; its instance store is lost")))
}

fn empty_and_replace(node: &Node) -> Option<Remedy> {
    let (name, instance) = (&node.name, node.instance.as_ref()?);
    let drain = Command::Kubectl(format!("drain {name} --ignore-daemonsets --delete-emptydir-data"));
    let risk = "what is on its emptyDir volumes and its instance store is lost";
    let replace =
        Remedy::fix("empty it, and replace it once that has ended well", vec![drain, terminate(instance)], risk);
    Some(replace.back(vec![Command::Kubectl(format!("uncordon {name}"))]))
}

/// Through the group, so that another comes in its place.
pub(super) fn terminate(instance: &InstanceId) -> Command {
    Command::Aws(format!(
        "autoscaling terminate-instance-in-auto-scaling-group --instance-id {instance} \
         --no-should-decrement-desired-capacity"
    ))
}
