//! Ways out where the group itself stands in the way.

use super::aws::{aws, of_group, of_nodegroup, who};
use crate::{
    domain::{Command, Group, Remedy, quoted},
    plan::Objection,
};

pub(in crate::diagnose) fn of(group: &Group, objection: &Objection) -> Vec<Remedy> {
    match objection {
        Objection::Updating => updating(group),
        Objection::NotActive(_) => health(group).into_iter().collect(),
        Objection::Suspended(processes) => suspended(group, &processes.join(" ")),
        Objection::InstanceRefresh(_) => instance_refresh(group),
        Objection::Operator(_) => {
            let look = described(group, "Operator");
            let by_eks = group.nodegroup.as_ref().map(|nodegroup| {
                let update = of_nodegroup("update-nodegroup-version", nodegroup, "");
                Remedy::fix(
                    "replace its nodes through the service that is named",
                    vec![update],
                    "its own order and limits",
                )
            });
            std::iter::once(look).chain(by_eks).collect()
        }
        Objection::NoLaunchTemplate => {
            let all = Command::Upgrade("--all-nodes".to_owned());
            let fix = Remedy::fix("replace every node, old or not", vec![all], "nodes that are new are replaced too");
            vec![described(group, "[LaunchConfigurationName,LaunchTemplate]"), fix]
        }
        Objection::NotInstances(_) => {
            vec![described(group, "[DesiredCapacityType,MixedInstancesPolicy.LaunchTemplate.Overrides]")]
        }
        Objection::NoSuchNodes(_) => Vec::new(),
    }
}

pub(in crate::diagnose) fn instance_refresh(group: &Group) -> Vec<Remedy> {
    let query = "--max-records 3 --query 'InstanceRefreshes[].[InstanceRefreshId,Status,PercentageComplete,StartTime]'";
    let cancel = of_group("cancel-instance-refresh", group, "");
    vec![
        Remedy::wait("it replaces nodes itself, without asking budgets"),
        Remedy::look("how far it is", vec![of_group("describe-instance-refreshes", group, query)]),
        Remedy::fix("end it", vec![cancel], "old and new nodes stay mixed; it cannot be resumed"),
        who("StartInstanceRefresh"),
    ]
}

fn updating(group: &Group) -> Vec<Remedy> {
    let wait = Remedy::wait("until EKS is done; an update of the version cannot be stopped");
    let list = group.nodegroup.as_ref().map(|nodegroup| {
        let (cluster, name) = (quoted(nodegroup.cluster.as_str()), quoted(nodegroup.name.as_str()));
        Remedy::look("which update", vec![aws(&format!("eks list-updates --name {cluster} --nodegroup-name {name}"))])
    });
    std::iter::once(wait).chain(list).collect()
}

fn health(group: &Group) -> Option<Remedy> {
    let nodegroup = group.nodegroup.as_ref()?;
    let query = "--query 'nodegroup.[status,health.issues]'";
    Some(Remedy::look("what EKS says", vec![of_nodegroup("describe-nodegroup", nodegroup, query)]))
}

fn suspended(group: &Group, processes: &str) -> Vec<Remedy> {
    let named = format!("--scaling-processes {processes}");
    let resume = of_group("resume-processes", group, &named);
    let fix = Remedy::fix(
        format!("resume {}", processes.replace(' ', " and ")),
        vec![resume],
        "what was held up happens at once: missing instances are launched, surplus ones ended",
    );
    vec![
        described(group, "[MinSize,DesiredCapacity,MaxSize,length(Instances),SuspendedProcesses]"),
        who("SuspendProcesses"),
        fix.back(vec![of_group("suspend-processes", group, &named)]),
    ]
}

fn described(group: &Group, query: &str) -> Remedy {
    let name = quoted(group.asg.as_str());
    let line = format!(
        "autoscaling describe-auto-scaling-groups --auto-scaling-group-names {name} --query 'AutoScalingGroups[].{query}'"
    );
    Remedy::look("what Auto Scaling says of it", vec![aws(&line)])
}
