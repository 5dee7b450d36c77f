//! How commands of the AWS CLI name things.

use crate::domain::{Command, Group, Nodegroup, Remedy, quoted};

/// `aws autoscaling VERB --auto-scaling-group-name NAME …`
pub(super) fn of_group(verb: &str, group: &Group, rest: &str) -> Command {
    let name = quoted(group.asg.as_str());
    aws(&format!("autoscaling {verb} --auto-scaling-group-name {name} {rest}"))
}

/// `aws eks VERB --cluster-name CLUSTER --nodegroup-name NAME …`
pub(super) fn of_nodegroup(verb: &str, nodegroup: &Nodegroup, rest: &str) -> Command {
    let (cluster, name) = (quoted(nodegroup.cluster.as_str()), quoted(nodegroup.name.as_str()));
    aws(&format!("eks {verb} --cluster-name {cluster} --nodegroup-name {name} {rest}"))
}

pub(super) fn aws(line: &str) -> Command {
    Command::Aws(line.trim_end().to_owned())
}

/// Who did something to the group, as CloudTrail knows it.
pub(super) fn who(event: &str) -> Remedy {
    let line =
        format!("cloudtrail lookup-events --lookup-attributes AttributeKey=EventName,AttributeValue={}", quoted(event));
    Remedy::look("who did it", vec![aws(&line)])
}

/// The version that the group launches.
pub(super) fn template(group: &Group, query: &str) -> Option<Remedy> {
    let template = group.target.template.as_ref()?;
    let line = format!(
        "ec2 describe-launch-template-versions --launch-template-id {} --versions {} --query '{query}'",
        template.id, template.version
    );
    Some(Remedy::look("what the launch template says", vec![aws(&line)]))
}
