//! Why the group brings no instance.

use super::*;

/// A group that should have two members and has one.
fn short(activities: Vec<ScalingActivity>) -> Cluster {
    let mut cluster = Cluster::new();
    cluster.see(Change::Group(Box::new(Group { activities, ..group(&["n1"]) })));
    cluster
}

fn launch(status: &str, seconds_ago: u64, message: Option<&str>) -> ScalingActivity {
    ScalingActivity {
        id: format!("{status}-{seconds_ago}"),
        started_at: ago(seconds_ago),
        status: status.to_owned(),
        description: "Launching a new EC2 instance".to_owned(),
        message: message.map(str::to_owned),
        zone: Some("a".into()),
        subnet: Some("subnet-0a".to_owned()),
        ..ScalingActivity::default()
    }
}

fn went(seconds_ago: u64) -> ScalingActivity {
    ScalingActivity {
        description: "Terminating EC2 instance: i-n2".to_owned(),
        ..launch("Successful", seconds_ago, None)
    }
}

const NO_KEY: &str =
    "Could not launch On-Demand Instances. InvalidKeyPair.NotFound - The key pair 'my ops' does not exist";
const NO_CAPACITY: &str =
    "We currently do not have sufficient m6i.large capacity in the Availability Zone you requested (a).";

#[test]
fn a_launch_that_fails_is_told_by_its_words_and_where_it_was_tried() {
    let cluster = short(vec![launch("Failed", 10, Some(NO_KEY)), launch("Failed", 60, Some(NO_KEY)), went(70)]);
    let found = cluster.examine(&Subject::Group);
    let [finding] = found.findings.as_slice() else { panic!("{:#?}", told(&found)) };
    assert_eq!(told(&found), ["LAUNCH-KEY-PAIR asg/workers blocks"]);
    assert_eq!(finding.says, "asg/workers cannot launch an instance in a");
    let said: Vec<_> = finding.evidence.iter().map(|proof| (proof.by, proof.says.clone())).collect();
    assert_eq!(said, [(By::Activity, format!("{NO_KEY} (zone a, subnet-0a)"))]);
    let fix = finding.remedies.iter().find(|remedy| remedy.kind == RemedyKind::Fix).unwrap();
    let import = "ec2 import-key-pair --key-name 'my ops' --public-key-material fileb://key.pub";
    assert_eq!(fix.run, [Command::Aws(import.to_owned())]);
    assert_eq!(fix.back, [Command::Aws("ec2 delete-key-pair --key-name 'my ops'".to_owned())]);
}

#[test]
fn a_key_that_was_taken_out_of_use_is_put_back_in_every_partition() {
    let fixes_for = |words: &str| {
        let failed = |ago| launch("Failed", ago, Some(words));
        let found = short(vec![failed(10), failed(60), went(70)]).examine(&Subject::Group);
        assert_eq!(told(&found), ["LAUNCH-KMS asg/workers blocks"]);
        fixes(&found.findings[0]).iter().flat_map(|fix| &fix.run).map(|command| line(command).to_owned()).collect()
    };
    let key = "arn:aws-cn:kms:cn-north-1:111122223333:key/0a1b-2c";
    let of = |state: &str| format!("Client.InvalidKMSKey.InvalidState: The KMS key {key} is {state}");
    let disabled: Vec<String> = fixes_for(&of("disabled"));
    assert_eq!(disabled, [format!("kms enable-key --key-id {key}")]);
    let pending: Vec<String> = fixes_for(&of("pending deletion"));
    assert_eq!(pending, [format!("kms cancel-key-deletion --key-id {key}"), format!("kms enable-key --key-id {key}")]);
    assert!(fixes_for(&format!("Client.InvalidKMSKey.InvalidState: The KMS key {key} is odd")).is_empty());
}

#[test]
fn one_that_another_launch_followed_is_none_and_so_is_one_in_a_zone_while_another_launched() {
    let followed = short(vec![launch("Successful", 10, None), launch("Failed", 60, Some(NO_KEY))]);
    assert_eq!(followed.found(), [""; 0]);
    // The group wants one more, and it is on its way.
    let under_way = short(vec![launch("PreInService", 10, None), launch("Failed", 10, Some(NO_KEY))]);
    assert_eq!(under_way.found(), [""; 0]);
    let mut whole = short(vec![launch("Failed", 60, Some(NO_KEY))]);
    whole.see(Change::Group(Box::new(Group {
        activities: vec![launch("Failed", 60, Some(NO_KEY))],
        ..group(&["n1", "n2"])
    })));
    assert_eq!(whole.found(), [""; 0], "nothing is owed");
}

#[test]
fn what_may_pass_is_waited_for_and_named_meanwhile() {
    let at =
        |seconds| short(vec![launch("Failed", 5, Some(NO_CAPACITY)), launch("Failed", seconds, Some(NO_CAPACITY))]);
    assert_eq!(at(40).found(), ["LAUNCH-NO-CAPACITY asg/workers waits"]);
    assert_eq!(at(80).found(), ["LAUNCH-NO-CAPACITY asg/workers blocks"]);
    // An old failure says nothing of a launch that was not tried since an instance went.
    let before = short(vec![went(5), launch("Failed", 80, Some(NO_CAPACITY))]);
    assert_eq!(before.found(), ["LAUNCH-NO-CAPACITY asg/workers waits"]);
    let series = short(vec![launch("Failed", 5, Some(NO_CAPACITY)), launch("Failed", 7200, Some(NO_CAPACITY))]);
    assert_eq!(series.found(), ["LAUNCH-NO-CAPACITY asg/workers waits"], "two hours apart is no series");
}

#[test]
fn several_causes_of_one_group_are_told_each() {
    let both = vec![launch("Failed", 40, Some(NO_KEY)), launch("Failed", 80, Some(NO_CAPACITY)), went(90)];
    assert_eq!(short(both).found(), ["LAUNCH-NO-CAPACITY asg/workers blocks", "LAUNCH-KEY-PAIR asg/workers blocks"]);
}

#[test]
fn a_full_subnet_is_shown_with_what_is_free_and_without_the_right_to_see_it_the_words_are_enough() {
    let subnet = Subnet { id: "subnet-0a".to_owned(), zone: "a".into(), free: 0, cidr: "10.0.0.0/28".to_owned() };
    let full = || short(vec![launch("Failed", 80, Some(FULL)), went(90)]);
    let known = full().told((Ask::Subnets, Known::Is(Fact::Subnets(vec![subnet]))));
    let found = known.examine(&Subject::Group);
    assert!(found.findings[0].evidence.iter().any(|proof| proof.says == "addresses that are free: subnet-0a (a) 0"));
    let lack = Lack::Right("ec2:DescribeSubnets".to_owned());
    let unknown = full().told((Ask::Subnets, Known::Unknown(lack)));
    assert_eq!(unknown.found(), ["LAUNCH-NO-ADDRESSES asg/workers blocks"]);
}

#[test]
fn subnets_without_an_address_are_told_before_an_upgrade_that_needs_one_first() {
    let subnet = |id: &str, free| Subnet { id: id.to_owned(), zone: "a".into(), free, cidr: "10.0.0.0/28".to_owned() };
    let before = |free: [u32; 2], change: &dyn Fn(&mut Group)| {
        let mut whole = group(&["n1", "n2"]);
        change(&mut whole);
        let subnets = vec![subnet("subnet-0a", free[0]), subnet("subnet-0b", free[1])];
        let cluster = Cluster::new().with_group(whole).told((Ask::Subnets, Known::Is(Fact::Subnets(subnets))));
        cluster.examine(&Subject::BeforeUpgrade)
    };
    let found = before([0, 0], &|_| {});
    assert_eq!(told(&found), ["LAUNCH-NO-ADDRESSES asg/workers blocks"]);
    assert_eq!(fixes(&found.findings[0])[0].run, [Command::Upgrade("--max-surge 0".to_owned())]);
    assert_eq!(told(&before([0, 1], &|_| {})), [""; 0], "one is enough for EC2");
    let minimal = |group: &mut Group| group.nodegroup.as_mut().unwrap().strategy = UpdateStrategy::Minimal;
    assert_eq!(told(&before([0, 0], &minimal)), [""; 0], "an old node gives its own back first");
}

const FULL: &str =
    "There are not enough free addresses in subnet 'subnet-0a' to satisfy the requested number of instances.";

#[test]
fn what_was_said_of_each_subnet_in_turn_is_told_once() {
    let elsewhere = |zone: &str| ScalingActivity {
        zone: Some(zone.into()),
        subnet: Some(format!("subnet-0{zone}")),
        ..launch("Failed", 70, Some(&FULL.replace("subnet-0a", &format!("subnet-0{zone}"))))
    };
    let tried = vec![
        launch("Failed", 60, Some(FULL)),
        elsewhere("b"),
        elsewhere("c"),
        launch("Failed", 80, Some(FULL)),
        went(90),
    ];
    let found = short(tried).examine(&Subject::Group);
    let said: Vec<_> = found.findings[0].evidence.iter().map(|proof| proof.says.clone()).collect();
    assert_eq!(said, [format!("{FULL} (zone a, subnet-0a; also zone b, subnet-0b; zone c, subnet-0c)")]);
}

#[test]
fn what_takes_the_last_address_or_the_rest_of_a_quota_is_done_without() {
    let fixes_of = |text: &str, group: &dyn Fn(&mut Group)| {
        let mut cluster = short(vec![launch("Failed", 80, Some(text))]).told(network_agent());
        let mut changed = cluster.snapshot.group().unwrap().clone();
        group(&mut changed);
        cluster.see(Change::Group(Box::new(changed)));
        let found = cluster.examine(&Subject::Group);
        fixes(&found.findings[0]).into_iter().map(|fix| (fix.run.clone(), fix.back.clone())).collect::<Vec<_>>()
    };
    let (run, back) = fewer_spares();
    let no_surge = |flags: &str| (vec![Command::Upgrade(flags.to_owned())], Vec::new());
    let as_it_is = |_: &mut Group| {};
    assert_eq!(fixes_of(FULL, &as_it_is), [no_surge("--max-surge 0"), (vec![run.clone()], vec![back.clone()])]);
    let quota = "VcpuLimitExceeded - You have requested more vCPU capacity than your current vCPU limit of 64 allows";
    assert_eq!(fixes_of(quota, &as_it_is), [no_surge("--max-surge 0")]);
    // One that is gone is owed with and without extra nodes.
    let gone = |group: &mut Group| group.activities.push(went(90));
    assert_eq!(fixes_of(quota, &gone), []);
    assert_eq!(fixes_of(quota, &|group| group.size.desired = 4), []);
    // Nodes that are not extra do not become fewer.
    let minimal = |group: &mut Group| group.nodegroup.as_mut().unwrap().strategy = UpdateStrategy::Minimal;
    assert_eq!(fixes_of(FULL, &minimal), [(vec![run], vec![back])]);
    assert_eq!(fixes_of(quota, &minimal), []);
}

#[test]
fn a_group_that_may_not_launch_and_one_that_does_nothing_are_told() {
    let mut suspended = short(vec![went(90)]);
    let may_not =
        |process: Process| Group { suspended: [process].into(), activities: vec![went(90)], ..group(&["n1"]) };
    suspended.see(Change::Group(Box::new(may_not(Process::Launch))));
    assert_eq!(suspended.found(), ["LAUNCH-SUSPENDED asg/workers blocks"]);
    suspended.see(Change::Group(Box::new(may_not(Process::AzRebalance))));
    assert_eq!(suspended.found(), ["LAUNCH-SILENT asg/workers blocks"]);
    assert_eq!(short(vec![went(20)]).found(), ["LAUNCH-SILENT asg/workers waits"]);
}

#[test]
fn what_is_suspended_together_is_one_cause() {
    let both = || Group {
        suspended: [Process::Launch, Process::Terminate].into(),
        activities: vec![launch("Failed", 90, Some(NO_KEY))],
        ..group(&["n1"])
    };
    for subject in [Subject::Group, Subject::BeforeUpgrade, Subject::Run] {
        let found = Cluster::new().with_group(both()).examine(&subject);
        assert_eq!(told(&found), ["GROUP-SUSPENDED asg/workers blocks"], "{subject:?}");
        let evidence: Vec<_> = found.findings[0].evidence.iter().map(|proof| proof.says.as_str()).collect();
        assert_eq!(evidence[1], "1 short of 2, and SuspendedProcesses names Launch");
        assert!(evidence[2].starts_with("the last launch before failed: "), "{evidence:?}");
        let resume =
            "autoscaling resume-processes --auto-scaling-group-name workers --scaling-processes Launch Terminate";
        assert_eq!(line(&fixes(&found.findings[0])[0].run[0]), resume);
    }
    // Of a group that lacks none nothing is owed; whoever asks about an update hears of its launches alone.
    let whole = Group { suspended: both().suspended, ..group(&["n1", "n2"]) };
    let found = Cluster::new().with_group(whole).examine(&Subject::Group);
    assert_eq!(
        (told(&found), found.findings[0].evidence.len()),
        (vec!["GROUP-SUSPENDED asg/workers blocks".to_owned()], 1)
    );
    let update = Cluster::new().with_group(both()).examine(&Subject::Update("u1".to_owned()));
    assert_eq!(told(&update), ["LAUNCH-SUSPENDED asg/workers blocks"]);
}

#[test]
fn a_group_at_its_maximum_is_told_where_pods_lack_room() {
    let at = |max: u32, message: &str| {
        let unscheduled = Unscheduled { reason: "Unschedulable".to_owned(), message: Some(message.to_owned()) };
        let trouble = Trouble { unscheduled: Some(unscheduled), ..Trouble::default() };
        let waits = Pod { phase: PodPhase::Pending, created_at: ago(90), ..not_ready(pod("cart-2", ""), 90, trouble) };
        let counted = [pod("cart-1", "n1"), waits];
        let mut cluster = Cluster::new().budget(budget(max_unavailable(1), 2, 1, 1), counted);
        let size = Size { min: 1, desired: 2, max };
        cluster.see(Change::Group(Box::new(Group { size, ..group(&["n1", "n2"]) })));
        cluster.found()
    };
    let full = "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable.";
    assert!(at(2, full).iter().any(|line| line.contains("LAUNCH-AT-MAX asg/workers")), "{:?}", at(2, full));
    assert!(!at(3, full).iter().any(|line| line.contains("LAUNCH-AT-MAX")), "{:?}", at(3, full));
    let affinity = "0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules.";
    assert!(!at(2, affinity).iter().any(|line| line.contains("LAUNCH-AT-MAX")), "one node more is not what it lacks");
}
