//! Ways out for nodes that do not serve, and for Nodes that do not go.

use super::{
    containers::{fewer_spares, network_log},
    kubectl, missing, without_finalizers,
};
use crate::{
    diagnose::{nodes::Agent, scene::Scene},
    domain::{Command, InstanceId, Node, NodeName, Pod, Remedy, Subnet, Taint, quoted},
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
    let fix = if comes { replace(node, "it never served") } else { empty_and_replace(node) };
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
    let is_of_the_vpc = |pod: &&Pod| pod.owner.as_ref().is_some_and(|owner| owner.name == "aws-node");
    let vpc = plugins.iter().any(is_of_the_vpc).then_some(node.instance.as_ref()).flatten();
    look.extend(vpc.map(network_log));
    let again = plugins.iter().map(|pod| {
        let delete = kubectl(&pod.id.namespace, &format!("delete pod/{}", pod.id.name));
        let risk = "for seconds no pod there can start or stop; those that run keep their network";
        Remedy::fix("start the plugin anew there", vec![delete], risk)
    });
    let look = Remedy::look("why the network plugin does not come up", look);
    std::iter::once(look).chain(again).chain(replace(node, "what runs there ends, past every budget")).collect()
}

pub(in crate::diagnose) fn no_addresses(scene: &Scene<'_>, subnets: &[&Subnet]) -> Vec<Remedy> {
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
    // Of what nodes spare the subnet gets some back; a run without extra nodes helps only those that are to come.
    unused.into_iter().chain(fewer_spares(scene)).collect()
}

pub(in crate::diagnose) fn outlives(node: &Node, instance: &InstanceId) -> Vec<Remedy> {
    let name = &node.name;
    let state = "--query 'Reservations[].Instances[].[State.Name,StateTransitionReason]' --output text";
    let state = Command::Aws(format!("ec2 describe-instances --instance-ids {instance} {state}"));
    let look = Remedy::look("whether its machine is gone indeed", vec![state]);
    if node.deleting_since.is_some() && !node.finalizers.is_empty() {
        let whose = vec![Command::Kubectl(format!("get node/{name} -o yaml"))];
        let take =
            Command::Kubectl(format!("patch node/{name} --type=json -p '{}'", without_finalizers(&node.finalizers)));
        let risk = "what whoever set it would clean up stays, and it cannot be put back";
        return vec![
            look,
            Remedy::look("whether whoever set its finalizers runs at all", whose),
            Remedy::fix("take its finalizers off", vec![take], risk),
        ];
    }
    // Else kubectl waits until they are off.
    let wait = if node.finalizers.is_empty() { "" } else { " --wait=false" };
    let delete = Command::Kubectl(format!("delete node/{name}{wait}"));
    let risk = "where the instance does live, its kubelet may register again, without labels that were set by hand";
    vec![look, Remedy::fix("delete the record", vec![delete], risk)]
}

/// Put on again it would stay for ever, for an agent takes it off once, when it starts: there is no way back.
pub(in crate::diagnose) fn taint_stays(node: &Node, taint: &Taint, agents: &[&Pod]) -> Vec<Remedy> {
    let Taint { key, value: _, effect } = taint;
    let name = &node.name;
    let look = Remedy::look("whether its agent runs there", vec![pods_on(&node.name), describe(&node.name)]);
    let anew = agents.iter().map(|pod| {
        let anew = kubectl(&pod.id.namespace, &format!("delete pod/{}", pod.id.name));
        let risk = "what it does for pods of that node stands still for seconds";
        Remedy::fix("start the agent anew that takes it off", vec![anew], risk)
    });
    let off = Command::Kubectl(format!("taint nodes {name} {key}:{effect}-"));
    let risk = "pods come before the agent is ready, and may fail for want of network, storage or policy";
    let by_hand = Remedy::fix("take it off by hand", vec![off], risk);
    std::iter::once(look).chain(anew).chain([by_hand]).collect()
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

pub(in crate::diagnose) fn daemon_sets(node: &Node, agents: &[Agent<'_>], late: bool) -> Vec<Remedy> {
    let describe = |agent: &Agent<'_>| kubectl(&agent.set.namespace, &format!("describe daemonset/{}", agent.set.name));
    let look = std::iter::once(pods_on(&node.name)).chain(agents.iter().map(describe)).collect();
    let look = Remedy::look("its pod there, or why there is none", look);
    let again = agents.iter().filter_map(|agent| agent.pod).map(|pod| {
        let anew = kubectl(&pod.id.namespace, &format!("delete pod/{}", pod.id.name));
        Remedy::fix("start its pod there anew", vec![anew], "helps where only this one is stuck")
    });
    let refused = agents.iter().filter_map(|agent| {
        let workload = agent.workload();
        agent.refused.clone().known().flatten().map(|event| missing::for_words(&workload, &event.message, 1))
    });
    let longer = (!late).then(|| {
        let longer = Command::Upgrade("--replacement-timeout 30m".to_owned());
        let risk = "a node that never comes up is waited for as long";
        Remedy::fix("give new nodes more time, where it comes up late", vec![longer], risk)
    });
    std::iter::once(look).chain(again).chain(refused.flatten()).chain(longer).collect()
}

/// Another node in its place comes from the same template: without driver or plugin it lacks the same.
pub(in crate::diagnose) fn resource_missing(scene: &Scene<'_>, node: &Node, resources: &[&str]) -> Vec<Remedy> {
    let run = vec![offers(&node.name), pods_on(&node.name)];
    let look = Remedy::look("what it offers, and whether its device plugin runs there", run);
    let nodegroup = scene.view.snapshot.group().and_then(|group| group.nodegroup.as_ref()).map(|nodegroup| {
        let (cluster, name) = (quoted(nodegroup.cluster.as_str()), quoted(nodegroup.name.as_str()));
        let describe = format!("eks describe-nodegroup --cluster-name {cluster} --nodegroup-name {name}");
        let query = "--query 'nodegroup.[amiType,instanceTypes,launchTemplate]'";
        Remedy::look("whether its AMI is one with the driver", vec![Command::Aws(format!("{describe} {query}"))])
    });
    let sets = Command::Kubectl("get daemonsets -A -o wide".to_owned());
    let sets = Remedy::look("whether the DaemonSet of the device plugin is there, and wants a pod on it", vec![sets]);
    let known: Vec<_> = scene.view.snapshot.daemon_sets_for(node).collect();
    let plugins = known.into_iter().filter(|set| is_device_plugin(&set.name, resources));
    let anew = plugins.flat_map(|set| {
        let pods = scene.daemon_pods(set, node).known().unwrap_or_default();
        pods.into_iter().map(|pod| {
            let anew = kubectl(&pod.id.namespace, &format!("delete pod/{}", pod.id.name));
            let risk = "no new pod there gets a device meanwhile; those that run keep theirs";
            Remedy::fix("start the device plugin anew there: it looks for devices when it starts", vec![anew], risk)
        })
    });
    let other = empty_and_replace(node).map(|other| {
        let same = "from the same template and AMI the next lacks the same: mend the plugin or the AMI first";
        Remedy { risk: format!("{}; {same}", other.risk), ..other }
    });
    [look, sets].into_iter().chain(nodegroup).chain(anew).chain(other).collect()
}

/// `nvidia-device-plugin-daemonset` for `nvidia.com/gpu`, by the name of who makes the device.
fn is_device_plugin(set: &str, resources: &[&str]) -> bool {
    let maker = |resource: &&str| resource.split(['.', '/']).next().is_some_and(|maker| set.contains(maker));
    set.contains("plugin") && resources.iter().any(maker)
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

/// Of a node that is Ready: no run counts on it, and the scheduler puts pods there all the same.
pub(super) fn empty_and_replace(node: &Node) -> Option<Remedy> {
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
