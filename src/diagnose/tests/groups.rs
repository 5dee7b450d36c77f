//! What about the group stands in an upgrade's way.

use super::*;

fn of(change: impl FnOnce(&mut Group)) -> Cluster {
    let mut cluster = Cluster::new();
    let mut group = group(&["n1", "n2"]);
    change(&mut group);
    cluster.see(Change::Group(Box::new(group)));
    cluster
}

fn before_upgrade(change: impl FnOnce(&mut Group)) -> Vec<String> {
    told(&of(change).examine(&Subject::BeforeUpgrade))
}

fn status(status: NodegroupStatus) -> impl FnOnce(&mut Group) {
    |group| group.nodegroup.as_mut().unwrap().status = status
}

#[test]
fn each_objection_is_a_cause() {
    assert_eq!(before_upgrade(|_| {}), [""; 0]);
    assert_eq!(before_upgrade(status(NodegroupStatus::Updating)), ["GROUP-UPDATING nodegroup/workers blocks"]);
    let failed = NodegroupStatus::Other("CREATE_FAILED".to_owned());
    assert_eq!(before_upgrade(status(failed)), ["GROUP-NOT-ACTIVE nodegroup/workers blocks"]);
    assert_eq!(before_upgrade(status(NodegroupStatus::Degraded)), [""; 0]);
    let suspended = |process: Process| move |group: &mut Group| group.suspended = [process].into();
    assert_eq!(before_upgrade(suspended(Process::Terminate)), ["GROUP-SUSPENDED asg/workers blocks"]);
    assert_eq!(before_upgrade(suspended(Process::AzRebalance)), [""; 0]);
    let refresh = |group: &mut Group| group.instance_refresh = Some("InProgress".to_owned());
    assert_eq!(before_upgrade(refresh), ["GROUP-INSTANCE-REFRESH asg/workers blocks"]);
    let operated = |group: &mut Group| group.operator = Some("eks.amazonaws.com".to_owned());
    assert_eq!(before_upgrade(operated), ["GROUP-OPERATED asg/workers blocks"]);
    let configured = |group: &mut Group| group.target = LaunchTarget::default();
    assert_eq!(before_upgrade(configured), ["GROUP-NO-TEMPLATE asg/workers blocks"]);
    let weighs = |group: &mut Group| group.counts = Counts::Weights(vec!["m6i.large counts 2".to_owned()]);
    assert_eq!(before_upgrade(weighs), ["GROUP-WEIGHTS asg/workers blocks"]);
}

#[test]
fn whoever_asks_why_it_stands_still_is_not_stopped_by_what_only_forbids_an_upgrade() {
    let now = |change: fn(&mut Group)| of(change).found();
    let operated = now(|group| group.operator = Some("eks.amazonaws.com".to_owned()));
    assert_eq!(operated, ["GROUP-OPERATED asg/workers notes"]);
    let updating = now(|group| group.nodegroup.as_mut().unwrap().status = NodegroupStatus::Updating);
    assert_eq!(updating, ["GROUP-UPDATING nodegroup/workers waits"]);
    let suspended = now(|group| group.suspended = [Process::Terminate].into());
    assert_eq!(suspended, ["GROUP-SUSPENDED asg/workers blocks"]);
}

#[test]
fn the_group_s_name_survives_a_shell() {
    let cluster = of(|group| {
        group.asg = "my workers".into();
        group.suspended = [Process::Terminate].into();
    });
    let found = cluster.examine(&Subject::BeforeUpgrade);
    let fix = found.findings[0].remedies.iter().find(|remedy| remedy.kind == RemedyKind::Fix).unwrap();
    let line = "autoscaling resume-processes --auto-scaling-group-name 'my workers' --scaling-processes Terminate";
    assert_eq!(fix.run, [Command::Aws(line.to_owned())]);
}
