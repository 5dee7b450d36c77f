//! What a diagnosis asks of AWS: hooks, subnets, updates, who may join; and what it makes of AWS's words.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use aws_sdk_eks::types::{ErrorCode, NodegroupIssueCode};
use mngup::{
    adapters::aws::AwsCloud,
    diagnose::{Memory, View, examine},
    domain::{
        AccessEntries, AccessMode, Answer, Ask, Cause, Change, Diagnosis, Dossier, EksUpdate, Fact, Known, Lack,
        LifecycleHook, NodegroupName, Policy, Snapshot, Subject,
    },
    ports::Cloud,
    sim::asg::FailureReason,
};

use super::{
    aws::{AwsServer, UpdateError, World},
    default_world, shop, workers,
};

async fn look(cloud: &AwsCloud, ask: Ask) -> Known<Fact> {
    let answers: Vec<Answer> = cloud.look(&BTreeSet::from([ask])).await;
    answers.into_iter().next().unwrap().1
}

fn eviction_failed(node: &str) -> UpdateError {
    let message = "Reached max retries while trying to evict pods from nodes in node group workers";
    UpdateError { code: "PodEvictionFailure".into(), message: message.into(), resources: vec![node.into()] }
}

#[tokio::test]
async fn hooks_subnets_and_access_entries_are_read() {
    let hook = Some(Duration::from_secs(1));
    let server = AwsServer::start(World { terminate_hook: hook, free_addresses: Some(3), ..World::default() });
    let cloud = workers(&server).await;
    let hooks = look(&cloud, Ask::Hooks).await;
    assert_eq!(
        hooks,
        Known::Is(Fact::Hooks(vec![LifecycleHook {
            name: "Terminate-LC-Hook".into(),
            at_launch: false,
            heartbeat_seconds: 1800,
            default_result: "CONTINUE".into(),
            notifies: Some("arn:aws:sns:eu-west-1:444455556666:eks-asg-lifecycle-hook-topic".into()),
        }]))
    );
    let Known::Is(Fact::Subnets(subnets)) = look(&cloud, Ask::Subnets).await else { panic!("no subnets") };
    let told: Vec<_> = subnets.iter().map(|subnet| (subnet.id.as_str(), subnet.zone.as_str(), subnet.free)).collect();
    let zones = ["eu-west-1a", "eu-west-1b", "eu-west-1c"];
    let ids = zones.map(|zone| format!("subnet-0{zone}"));
    assert_eq!(told, [(ids[0].as_str(), zones[0], 3), (&ids[1], zones[1], 3), (&ids[2], zones[2], 3)]);
    let entries = look(&cloud, Ask::AccessEntries).await;
    let principals = Known::Is(vec!["arn:aws:iam::111122223333:role/node".into()]);
    assert_eq!(entries, Known::Is(Fact::AccessEntries(AccessEntries { mode: AccessMode::Both, principals })));
}

#[tokio::test]
async fn the_newest_update_that_failed_is_found_and_one_of_another_group_is_told_apart() {
    let server = AwsServer::start(World { other_nodegroups: vec!["gpu".into()], ..World::default() });
    let cloud = workers(&server).await;
    let latest = async || {
        let told = look(&cloud, Ask::Update(None)).await;
        let Known::Is(Fact::Update(update)) = told else { panic!("{told:?}") };
        update
    };
    assert_eq!(latest().await, None, "it was never updated");

    let hours = |hours| Duration::from_hours(hours);
    server.has_updated("workers", "Failed", hours(5), vec![eviction_failed("ip-10-0-0-1")]);
    let id = server.has_updated("workers", "Failed", hours(2), vec![eviction_failed("ip-10-0-0-9")]);
    let theirs = server.has_updated("gpu", "Failed", hours(1), Vec::new());
    let found: EksUpdate = latest().await.unwrap();
    assert_eq!(
        (found.id.as_str(), found.kind.as_str(), found.status.as_str()),
        (id.as_str(), "VersionUpdate", "Failed")
    );
    assert_eq!(found.errors[0].code, "PodEvictionFailure");
    assert_eq!(found.errors[0].resources, ["ip-10-0-0-9"]);

    assert_eq!(look(&cloud, Ask::Update(Some(theirs.clone()))).await, Known::Is(Fact::Update(None)));
    let owner = look(&cloud, Ask::UpdateElsewhere(theirs)).await;
    assert_eq!(owner, Known::Is(Fact::Nodegroup(Some(NodegroupName::new("gpu")))));
    assert_eq!(look(&cloud, Ask::UpdateElsewhere("none".into())).await, Known::Is(Fact::Nodegroup(None)));

    // What went wrong was done again since, and went well.
    server.has_updated("workers", "Successful", hours(1), Vec::new());
    assert_eq!(latest().await, None);
}

#[tokio::test]
async fn by_which_lists_a_cluster_goes_is_read_and_entries_only_where_they_count() {
    let node = || vec!["arn:aws:iam::111122223333:role/node".to_owned()];
    for (said, mode, principals) in [
        ("API", AccessMode::Entries, node()),
        ("API_AND_CONFIG_MAP", AccessMode::Both, node()),
        ("CONFIG_MAP", AccessMode::Map, Vec::new()),
    ] {
        let server = AwsServer::start(World { authentication_mode: Some(said), ..World::default() });
        let entries = look(&workers(&server).await, Ask::AccessEntries).await;
        let principals = Known::Is(principals);
        assert_eq!(entries, Known::Is(Fact::AccessEntries(AccessEntries { mode, principals })), "{said}");
    }
}

#[tokio::test]
async fn by_which_lists_a_cluster_goes_is_known_without_the_right_to_list_entries() {
    let server = AwsServer::start(World { authentication_mode: Some("API"), ..World::default() });
    let cloud = workers(&server).await;
    server.deny("eks:ListAccessEntries");
    let principals = Known::Unknown(Lack::Right("eks:ListAccessEntries".to_owned()));
    let entries = AccessEntries { mode: AccessMode::Entries, principals };
    assert_eq!(look(&cloud, Ask::AccessEntries).await, Known::Is(Fact::AccessEntries(entries)));
}

#[tokio::test]
async fn a_right_that_lacks_is_an_answer() {
    let server = default_world();
    let cloud = workers(&server).await;
    for (action, ask) in [
        ("autoscaling:DescribeLifecycleHooks", Ask::Hooks),
        ("ec2:DescribeSubnets", Ask::Subnets),
        ("eks:ListUpdates", Ask::Update(None)),
        ("eks:DescribeCluster", Ask::AccessEntries),
    ] {
        server.deny(action);
        assert_eq!(look(&cloud, ask).await, Known::Unknown(Lack::Right(action.to_owned())), "{action}");
    }
    let self_managed = AwsServer::start(World::self_managed());
    assert_eq!(look(&shop(&self_managed).await, Ask::Update(None)).await, Known::Is(Fact::Update(None)));
}

/// Texts as the documentation has them, and what is told of each.
const TEXTS: &[(Cause, &str)] = &[
    (
        Cause::LaunchNoCapacity,
        "Could not launch Spot Instances. UnfulfillableCapacity - Unable to fulfill capacity due to your request configuration.",
    ),
    (
        Cause::LaunchQuota,
        "Could not launch On-Demand Instances. VcpuLimitExceeded - You have requested more vCPU capacity than your current vCPU limit of 64 allows for the instance bucket that the specified instance type belongs to.",
    ),
    (
        Cause::LaunchNoAddresses,
        "There are not enough free addresses in subnet 'subnet-0eu-west-1a' to satisfy the requested number of instances.",
    ),
    (Cause::LaunchTemplate, "You must use a valid fully-formed launch template. Value (x) for parameter y is invalid."),
    (Cause::LaunchAmi, "The image id '[ami-0123456789abcdef0]' does not exist"),
    (Cause::LaunchKeyPair, "The key pair 'ops' does not exist."),
    (Cause::LaunchKms, "Client.InternalError: Client error on launch"),
    (
        Cause::LaunchSpotPrice,
        "Your Spot request price of 0.015 is lower than the minimum required Spot request fulfillment price of 0.0735.",
    ),
    (Cause::LaunchSecurityGroup, "The security group 'sg-0123456789abcdef0' does not exist."),
    (
        Cause::LaunchUnsupported,
        "Your requested instance type (m7i.large) is not supported in your requested Availability Zone (eu-west-1c).",
    ),
    (Cause::LaunchDevice, "Invalid device name upload."),
    (Cause::LaunchRights, "You are not authorized to perform this operation."),
    (Cause::LaunchFails, "Something that nobody has heard of."),
];

/// What is found of the group as it is read now.
async fn found(cloud: &AwsCloud, subject: &Subject) -> Diagnosis {
    let mut snapshot = Snapshot::default();
    snapshot.apply(Change::Group(Box::new(cloud.read(true).await.unwrap())));
    let (policy, memory, dossier) = (Policy::default(), Memory::default(), Dossier::default());
    let (old, now) = (BTreeSet::new(), jiff::Timestamp::now());
    examine(View {
        now,
        snapshot: &snapshot,
        run: None,
        memory: &memory,
        policy: &policy,
        subject,
        old: &old,
        dossier: &dossier,
    })
    .diagnosis
}

#[tokio::test]
async fn every_documented_text_of_a_failed_launch_is_told_word_for_word() {
    for (cause, text) in TEXTS {
        let server = default_world();
        server.fail_launches(FailureReason::Other((*text).to_owned()), None);
        server.with_asg(|asg, now| asg.set_desired(4, now).unwrap());
        let cloud = workers(&server).await;
        let found = found(&cloud, &Subject::Group).await;
        let finding = found.findings.iter().find(|finding| finding.cause == *cause).unwrap_or_else(|| {
            panic!("{text}: {:?}", found.findings.iter().map(|finding| finding.cause).collect::<Vec<_>>())
        });
        assert!(finding.evidence.iter().any(|proof| proof.says.contains(text)), "{:?}", finding.evidence);
        assert!(finding.says.contains("eu-west-1"), "{}", finding.says);
    }
}

#[tokio::test]
async fn every_code_of_the_sdk_is_known_and_a_new_one_is_shown_as_it_is() {
    let server = default_world();
    let cloud = workers(&server).await;
    let mut snapshot = Snapshot::default();
    let group = cloud.read(true).await.unwrap();
    // These say nothing certain by themselves, or show at pods and nodes that this group does not have.
    let words: BTreeSet<&str> = [
        "AdmissionRequestDenied",
        "AsgInstanceLaunchFailures",
        "ConfigurationConflict",
        "InsufficientNumberOfReplicas",
        "K8sResourceNotFound",
        "NodeCreationFailure",
        "NodeTerminationFailure",
        "OperationNotPermitted",
        "PodEvictionFailure",
        "Unknown",
        "UnsupportedAddonModification",
        "ACodeOfTomorrow",
    ]
    .into();
    let codes = NodegroupIssueCode::values().iter().chain(ErrorCode::values()).chain(&["ACodeOfTomorrow"]);
    let mut told: BTreeMap<&str, Vec<Cause>> = BTreeMap::new();
    for code in codes {
        let mut group = group.clone();
        let nodegroup = group.nodegroup.as_mut().unwrap();
        let issue =
            mngup::domain::HealthIssue { code: (*code).to_owned(), message: String::new(), resources: Vec::new() };
        nodegroup.issues = vec![issue];
        snapshot.apply(Change::Group(Box::new(group)));
        let (policy, memory, dossier) = (Policy::default(), Memory::default(), Dossier::default());
        let (old, now) = (BTreeSet::new(), jiff::Timestamp::now());
        let (snapshot, subject) = (&snapshot, &Subject::Group);
        let view =
            View { now, snapshot, run: None, memory: &memory, policy: &policy, subject, old: &old, dossier: &dossier };
        told.insert(code, examine(view).diagnosis.findings.iter().map(|finding| finding.cause).collect());
    }
    for (code, causes) in told {
        assert_eq!(causes.len(), 1, "{code}: {causes:?}");
        assert_eq!(causes[0] == Cause::EksIssue, words.contains(code), "{code}: {causes:?}");
    }
}
