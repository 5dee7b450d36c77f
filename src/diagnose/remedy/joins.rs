//! Ways out for instances that do not become nodes, and for those that do not go.

use super::nodes::{empty_and_replace, terminate};
use crate::{
    diagnose::targets::Goer,
    domain::{AccessMode, Command, Group, Instance, InstanceId, LifecycleHook, Node, Nodegroup, Remedy, quoted},
};

pub(in crate::diagnose) fn hook_at_launch(group: &Group, id: &InstanceId, hooks: &[&LifecycleHook]) -> Vec<Remedy> {
    let look = Remedy::look("the hooks, and whether whoever answers them is well", look_at_hooks(group, id));
    let risk = "what the hook does (registering, configuring, checking) does not happen on it";
    std::iter::once(look).chain(complete(group, id, hooks, risk)).collect()
}

pub(in crate::diagnose) fn hook_at_termination(
    group: &Group,
    goer: &Goer<'_>,
    hooks: &[&LifecycleHook],
) -> Vec<Remedy> {
    let mut look = look_at_hooks(group, goer.id);
    let pods = |name| Command::Kubectl(format!("get pods -A -o wide --field-selector spec.nodeName={name}"));
    look.extend(goer.node.map(|node| pods(&node.name)));
    let look = Remedy::look("the hooks, and what is still on its node", look);
    let risk = "what the hook does (saving logs, deregistering, EKS's own drain) does not happen; pods that are still \
                there are killed, past their budgets";
    std::iter::once(look).chain(complete(group, goer.id, hooks, risk)).collect()
}

fn look_at_hooks(group: &Group, id: &InstanceId) -> Vec<Command> {
    let asg = quoted(group.asg.as_str());
    let hooks = Command::Aws(format!("autoscaling describe-lifecycle-hooks --auto-scaling-group-name {asg}"));
    let instance = Command::Aws(format!("autoscaling describe-auto-scaling-instances --instance-ids {id}"));
    let health = group.nodegroup.as_ref().map(|nodegroup| describe(nodegroup, "nodegroup.health"));
    [hooks, instance].into_iter().chain(health).collect()
}

fn complete<'a>(
    group: &'a Group,
    id: &'a InstanceId,
    hooks: &'a [&LifecycleHook],
    risk: &'a str,
) -> impl Iterator<Item = Remedy> + 'a {
    hooks.iter().map(move |hook| {
        let (asg, hook) = (quoted(group.asg.as_str()), quoted(&hook.name));
        let complete = format!(
            "autoscaling complete-lifecycle-action --auto-scaling-group-name {asg} --lifecycle-hook-name {hook} \
             --instance-id {id} --lifecycle-action-result CONTINUE"
        );
        Remedy::fix(format!("answer for {hook}"), vec![Command::Aws(complete)], risk)
    })
}

pub(in crate::diagnose) fn no_access(nodegroup: &Nodegroup, role: &str, mode: AccessMode) -> Vec<Remedy> {
    let (cluster, role) = (quoted(nodegroup.cluster.as_str()), quoted(role));
    let windows = nodegroup.ami_type.as_deref().is_some_and(|ami| ami.starts_with("WINDOWS"));
    let kind = if windows { "EC2_WINDOWS" } else { "EC2_LINUX" };
    let known = format!("eks describe-cluster --name {cluster} --query cluster.accessConfig.authenticationMode");
    let entries = format!("eks list-access-entries --cluster-name {cluster}");
    // A cluster that goes by access entries alone has none.
    let listed = "-n kube-system get configmap/aws-auth --ignore-not-found -o jsonpath='{.data.mapRoles}'".to_owned();
    let create = format!("eks create-access-entry --cluster-name {cluster} --principal-arn {role} --type {kind}");
    let delete = format!("eks delete-access-entry --cluster-name {cluster} --principal-arn {role}");
    let create = Remedy::fix(
        "let it in by an access entry (authentication mode API or API_AND_CONFIG_MAP)",
        vec![Command::Aws(create)],
        "every instance with that role may join as a node",
    );
    let (known, entries, listed) = (Command::Aws(known), Command::Aws(entries), Command::Kubectl(listed));
    match mode {
        AccessMode::Both | AccessMode::Entries => vec![
            Remedy::look("which of the two lists counts, and what they say", vec![known, entries, listed]),
            create.back(vec![Command::Aws(delete)]),
        ],
        // EKS refuses entries there, and the map is a text that only a person can add to.
        AccessMode::Map => {
            vec![Remedy::look("what aws-auth says; the role is added to it by hand", vec![known, listed])]
        }
    }
}

pub(in crate::diagnose) fn never_joined(group: &Group, id: &InstanceId, subnets: &[&str]) -> Vec<Remedy> {
    let console = console(id);
    let session = Command::Aws(format!("ssm start-session --target {id}"));
    let network = "'Reservations[].Instances[].[SubnetId,VpcId,PublicIpAddress,SecurityGroups[].GroupId]'";
    let network = Command::Aws(format!("ec2 describe-instances --instance-ids {id} --query {network}"));
    let own = group.nodegroup.as_ref().map(|nodegroup| {
        let query = "cluster.resourcesVpcConfig.[clusterSecurityGroupId,endpointPublicAccess,publicAccessCidrs]";
        let cluster = quoted(nodegroup.cluster.as_str());
        Command::Aws(format!("eks describe-cluster --name {cluster} --query '{query}'"))
    });
    // A table that no subnet is tied to by name is the main one of its VPC.
    let routes = (!subnets.is_empty()).then(|| {
        let query = "'RouteTables[].[Associations[].SubnetId,Routes[].[DestinationCidrBlock,NatGatewayId,GatewayId]]'";
        let of = format!("Name=association.subnet-id,Values={}", subnets.join(","));
        let routes = Command::Aws(format!("ec2 describe-route-tables --filters {of} --query {query}"));
        Remedy::look(
            "the way out of its subnet: a NAT gateway, a public address, or endpoints; where nothing is printed, the \
             main route table of its VPC holds",
            vec![routes],
        )
    });
    let looks = [
        Remedy::look(
            "bootstrap: user data or nodeadm that fails is on the console, and in the logs",
            vec![console, session],
        ),
        Remedy::look(
            "security groups: one of them must let it reach the cluster",
            std::iter::once(network).chain(own).collect(),
        ),
    ];
    let risk = "what its console and its logs say is gone with it: read them first";
    let replace = Remedy::fix("replace it, once that is mended: it never served", vec![terminate(id)], risk);
    looks.into_iter().chain(routes).chain([replace]).collect()
}

/// What its bootstrap said.
pub(in crate::diagnose) fn console(instance: &InstanceId) -> Command {
    Command::Aws(format!("ec2 get-console-output --instance-id {instance} --latest --output text"))
}

pub(in crate::diagnose) fn wrong_template(group: &Group, id: &InstanceId, node: Option<&Node>) -> Vec<Remedy> {
    let asg = quoted(group.asg.as_str());
    let pool = Command::Aws(format!("autoscaling describe-warm-pool --auto-scaling-group-name {asg}"));
    let who = "cloudtrail lookup-events --lookup-attributes \
               AttributeKey=EventName,AttributeValue=UpdateAutoScalingGroup";
    let look = Remedy::look(
        "a warm pool that was filled before, or somebody who changed the group",
        vec![pool, Command::Aws(who.to_owned())],
    );
    let replace = match node {
        Some(node) => empty_and_replace(node),
        None => Some(Remedy::fix("replace it by one of the group's version: it never served", vec![terminate(id)], "")),
    };
    std::iter::once(look).chain(replace).collect()
}

pub(in crate::diagnose) fn lost(group: &Group) -> Vec<Remedy> {
    let asg = quoted(group.asg.as_str());
    let query = "'Activities[].[StartTime,StatusCode,Description,Cause]' --output text";
    let activities = format!(
        "autoscaling describe-scaling-activities --auto-scaling-group-name {asg} --max-items 20 --query {query}"
    );
    let checks = format!(
        "autoscaling describe-auto-scaling-groups --auto-scaling-group-names {asg} --query \
         'AutoScalingGroups[].[HealthCheckType,HealthCheckGracePeriod]'"
    );
    vec![Remedy::look(
        "why they are ended: spot, a health check, zones that are evened out, or a person",
        vec![Command::Aws(activities), Command::Aws(checks)],
    )]
}

pub(in crate::diagnose) fn protected(group: &Group, choice: &[&Instance]) -> Vec<Remedy> {
    let asg = quoted(group.asg.as_str());
    let ids: Vec<_> = choice.iter().map(|instance| instance.id.as_str()).collect();
    let set = |how: &str| {
        Command::Aws(format!(
            "autoscaling set-instance-protection --auto-scaling-group-name {asg} --instance-ids {} {how}",
            ids.join(" ")
        ))
    };
    let who = "cloudtrail lookup-events --lookup-attributes \
               AttributeKey=EventName,AttributeValue=SetInstanceProtection";
    let take_off = Remedy::fix(
        "take it off as many as are to go, the old ones first",
        vec![set("--no-protected-from-scale-in")],
        "the group ends them at once, with what runs there, and asks no budget; empty them first",
    );
    vec![
        Remedy::look("who protects them: batch systems do while a job runs", vec![Command::Aws(who.to_owned())]),
        take_off.back(vec![set("--protected-from-scale-in")]),
    ]
}

fn describe(nodegroup: &Nodegroup, query: &str) -> Command {
    let (cluster, name) = (quoted(nodegroup.cluster.as_str()), quoted(nodegroup.name.as_str()));
    Command::Aws(format!("eks describe-nodegroup --cluster-name {cluster} --nodegroup-name {name} --query {query}"))
}
