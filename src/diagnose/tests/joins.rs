//! Instances that do not become nodes, and those that do not go.

use super::*;

const ROLE: &str = "arn:aws:iam::111122223333:role/team/eks-node";

/// Two nodes that serve, and an instance beside them that is so, since its launch or termination began.
fn beside(lifecycle: &str, seconds: u64) -> Cluster {
    let mut cluster = Cluster::new().group(&[("i-n1", "InService"), ("i-n2", "InService"), ("i-3", lifecycle)]);
    for name in ["n1", "n2"] {
        cluster.see(Change::Node(Box::new(node(name, None))));
    }
    let mut group = cluster.snapshot.group().unwrap().clone();
    let (verb, status) = if lifecycle.starts_with("Term") {
        ("Terminating EC2 instance", "MidLifecycleAction")
    } else {
        ("Launching a new EC2 instance", "Successful")
    };
    group.activities = vec![ScalingActivity {
        id: "1".to_owned(),
        started_at: ago(seconds),
        status: status.to_owned(),
        description: format!("{verb}: i-3"),
        ..ScalingActivity::default()
    }];
    cluster.see(Change::Group(Box::new(group)));
    cluster
}

fn hook(name: &str, at_launch: bool) -> LifecycleHook {
    LifecycleHook {
        name: name.to_owned(),
        at_launch,
        heartbeat_seconds: 1800,
        default_result: "CONTINUE".to_owned(),
        notifies: None,
    }
}

fn hooks(hooks: Vec<LifecycleHook>) -> Answer {
    (Ask::Hooks, Known::Is(Fact::Hooks(hooks)))
}

fn entries(roles: &[&str]) -> Answer {
    entries_in(AccessMode::Both, roles)
}

fn entries_in(mode: AccessMode, roles: &[&str]) -> Answer {
    let principals = Known::Is(roles.iter().map(ToString::to_string).collect());
    (Ask::AccessEntries, Known::Is(Fact::AccessEntries(AccessEntries { mode, principals })))
}

fn auth_map(roles: &[&str]) -> Answer {
    (Ask::AwsAuth, Known::Is(Fact::AwsAuth(Some(roles.iter().map(ToString::to_string).collect()))))
}

#[test]
fn a_hook_that_nobody_answers_holds_a_launch_and_one_that_is_answered_takes_its_time() {
    assert_eq!(beside("Pending:Wait", 400).found(), ["HOOK-HOLDS-LAUNCH instance/i-3 blocks"]);
    assert_eq!(beside("Pending:Wait", 100).found(), ["HOOK-HOLDS-LAUNCH instance/i-3 waits"]);
    assert_eq!(beside("Pending", 100).found(), [] as [&str; 0]);
}

#[test]
fn each_hook_of_the_kind_is_answered_with_all_that_it_takes() {
    let held = beside("Pending:Wait", 400).told(hooks(vec![hook("my hook", true), hook("other", false)]));
    let found = held.examine(&Subject::Group);
    let fixes: Vec<_> = found.findings[0].remedies.iter().filter(|remedy| remedy.kind == RemedyKind::Fix).collect();
    assert_eq!(fixes.len(), 1);
    let command = "autoscaling complete-lifecycle-action --auto-scaling-group-name workers --lifecycle-hook-name \
                   'my hook' --instance-id i-3 --lifecycle-action-result CONTINUE";
    assert_eq!(fixes[0].run, [Command::Aws(command.to_owned())]);
}

#[test]
fn a_hook_holds_a_termination_for_longer_than_a_drain_behind_it_takes() {
    assert_eq!(beside("Terminating:Wait", 1000).found(), ["HOOK-HOLDS-TERMINATION instance/i-3 blocks"]);
    assert_eq!(beside("Terminating:Wait", 100).found(), ["HOOK-HOLDS-TERMINATION instance/i-3 waits"]);
    assert_eq!(beside("Terminating:Proceed", 1000).found(), [] as [&str; 0]);
}

#[test]
fn an_instance_without_a_node_is_told_after_two_minutes_and_blocks_after_three() {
    let boots = |seconds| beside("InService", seconds).told(entries(&[ROLE])).told(auth_map(&[]));
    assert_eq!(boots(110).found(), [] as [&str; 0]);
    assert_eq!(boots(130).found(), ["INSTANCE-NEVER-JOINED instance/i-3 waits"]);
    assert_eq!(boots(200).found(), ["INSTANCE-NEVER-JOINED instance/i-3 blocks"]);
    assert_eq!(boots(200).examine(&Subject::Group).unknown, []);
}

#[test]
fn the_routes_of_its_own_subnet_are_looked_at() {
    let subnet = |id: &str, zone: &str| Subnet { id: id.to_owned(), zone: zone.into(), free: 9, cidr: String::new() };
    let subnets = Known::Is(Fact::Subnets(vec![subnet("subnet-0a", "a"), subnet("subnet-0b", "b")]));
    let routes = |cluster: Cluster| {
        let found = cluster.told(entries(&[ROLE])).told(auth_map(&[])).examine(&Subject::Group);
        let lines =
            found.findings[0].remedies.iter().flat_map(|remedy| &remedy.run).map(|command| line(command).to_owned());
        lines.filter(|line| line.contains("route-tables")).collect::<Vec<_>>()
    };
    let [known] = &routes(beside("InService", 200).told((Ask::Subnets, subnets)))[..] else { panic!("one") };
    assert!(known.contains("--filters Name=association.subnet-id,Values=subnet-0a --query"), "{known}");
    assert_eq!(routes(beside("InService", 200)), [""; 0], "not those of the whole region");
}

#[test]
fn a_role_that_is_in_neither_list_lets_nobody_in() {
    let refused = |seconds| beside("InService", seconds).told(entries(&["arn:aws:iam::111122223333:role/admin"]));
    let found = refused(90).told(auth_map(&[]));
    assert_eq!(found.found(), ["JOIN-NO-ACCESS instance/i-3 blocks"]);
    let fix = &found.examine(&Subject::Group).findings[0].remedies[1];
    let entry = format!("--cluster-name prod --principal-arn {ROLE}");
    assert_eq!(fix.run, [Command::Aws(format!("eks create-access-entry {entry} --type EC2_LINUX"))]);
    assert_eq!(fix.back, [Command::Aws(format!("eks delete-access-entry {entry}"))]);
    // In the map it stands without its path.
    let listed = refused(200).told(auth_map(&["arn:aws:iam::111122223333:role/eks-node"]));
    assert_eq!(listed.found(), ["INSTANCE-NEVER-JOINED instance/i-3 blocks"]);
}

#[test]
fn a_list_that_the_cluster_does_not_go_by_lets_nobody_in() {
    let plain = "arn:aws:iam::111122223333:role/eks-node";
    let told = |mode, by_entry: &[&str], by_map: &[&str]| {
        beside("InService", 200).told(entries_in(mode, by_entry)).told(auth_map(by_map)).examine(&Subject::Group)
    };
    let cause = |found: &Diagnosis| found.findings[0].cause;
    let only_mapped = told(AccessMode::Entries, &[], &[plain]);
    assert_eq!(cause(&only_mapped), Cause::JoinNoAccess);
    assert_eq!(fixes(&only_mapped.findings[0]).len(), 1);
    let only_entered = told(AccessMode::Map, &[ROLE], &[]);
    assert_eq!(cause(&only_entered), Cause::JoinNoAccess);
    assert_eq!(fixes(&only_entered.findings[0]), [] as [&Remedy; 0], "EKS refuses an entry there");
    for (mode, by_entry, by_map) in [
        (AccessMode::Entries, &[ROLE][..], &[][..]),
        (AccessMode::Map, &[], &[plain]),
        (AccessMode::Both, &[ROLE], &[]),
        (AccessMode::Both, &[], &[plain]),
    ] {
        assert_eq!(cause(&told(mode, by_entry, by_map)), Cause::InstanceNeverJoined, "{mode:?}");
    }
    // Whoever may not read the map needs not to where it does not count.
    let lack = Known::Unknown(Lack::Right("get configmap/aws-auth in namespace kube-system".to_owned()));
    let blind = beside("InService", 200).told(entries_in(AccessMode::Entries, &[])).told((Ask::AwsAuth, lack));
    assert_eq!(blind.found(), ["JOIN-NO-ACCESS instance/i-3 blocks"]);
}

#[test]
fn whether_it_is_let_in_cannot_be_told_without_the_lists() {
    let lack = Lack::Right("get configmap/aws-auth in namespace kube-system".to_owned());
    let blind = beside("InService", 200).told(entries(&[])).told((Ask::AwsAuth, Known::Unknown(lack.clone())));
    let found = blind.examine(&Subject::Group);
    assert_eq!(told(&found), ["INSTANCE-NEVER-JOINED instance/i-3 blocks"]);
    assert_eq!(found.unknown.iter().map(|unknown| &unknown.lacking).collect::<Vec<_>>(), [&lack]);
}

#[test]
fn to_stand_in_a_list_means_nothing_where_it_is_not_known_that_it_counts() {
    let plain = "arn:aws:iam::111122223333:role/eks-node";
    let lacks = |action: &str| Known::Unknown(Lack::Right(action.to_owned()));
    let told = |entries: Known<Fact>| {
        let found = beside("InService", 200).told((Ask::AccessEntries, entries)).told(auth_map(&[plain]));
        let found = found.examine(&Subject::Group);
        let lacking = found.unknown.iter().map(|unknown| (unknown.cause, unknown.lacking.to_string()));
        (told(&found), lacking.collect::<Vec<_>>())
    };
    let unread = |mode| {
        let principals = Known::Unknown(Lack::Right("eks:ListAccessEntries".to_owned()));
        Known::Is(Fact::AccessEntries(AccessEntries { mode, principals }))
    };
    let never = || vec!["INSTANCE-NEVER-JOINED instance/i-3 blocks".to_owned()];
    let cannot = |action: &str| vec![(Cause::JoinNoAccess, format!("lacking the right to {action}"))];
    // Neither by which list it goes nor who has an entry.
    assert_eq!(told(lacks("eks:DescribeCluster")), (never(), cannot("eks:DescribeCluster")));
    assert_eq!(told(unread(AccessMode::Entries)), (never(), cannot("eks:ListAccessEntries")));
    assert_eq!(told(unread(AccessMode::Both)), (never(), Vec::new()));
    assert_eq!(told(unread(AccessMode::Map)), (never(), Vec::new()));
}

#[test]
fn a_group_that_may_take_none_of_its_instances_does_not_shrink() {
    let shrinks = |desired, protected: &[&str]| {
        let mut cluster = beside("InService", 30);
        let mut group = cluster.snapshot.group().unwrap().clone();
        group.size.desired = desired;
        for instance in group.instances.values_mut() {
            instance.protected = protected.contains(&instance.id.as_str());
        }
        cluster.see(Change::Group(Box::new(group)));
        cluster
    };
    let all = ["i-n1", "i-n2", "i-3"];
    assert_eq!(shrinks(2, &all).found(), ["INSTANCE-PROTECTED asg/workers blocks"]);
    assert_eq!(shrinks(3, &all).found(), [] as [&str; 0]);
    assert_eq!(shrinks(2, &all[..2]).found(), [] as [&str; 0]);
}
