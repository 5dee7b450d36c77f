//! What AWS describes, as the engine gets it.

use std::collections::BTreeMap;

use insta::assert_snapshot;
use mngup::{
    domain::{
        Change, GroupName, HealthIssue, IntOrPercent, LaunchTemplate, Lifecycle, NodegroupName, NodegroupStatus,
        Policy, Process, Size, Snapshot, UpdateStrategy, Zone,
    },
    plan,
    ports::{Cloud, PortError},
    sim::asg::{FailureReason, VersionUse},
};

use crate::{
    aws::{AwsServer, World},
    default_world, prod, session, shop, workers,
};

const TEMPLATE: &str = "lt-0aa11bb22cc33dd44";
const OTHER: &str = "lt-0ee55ff66aa77bb88";

fn template(id: &str, version: &str) -> LaunchTemplate {
    LaunchTemplate { id: id.into(), version: version.into() }
}

#[tokio::test]
async fn a_managed_group_is_read_whole() {
    let server = AwsServer::start(World {
        old: 2,
        new: 1,
        strategy: Some("MINIMAL".into()),
        suspended: vec!["AZRebalance".into(), "AlarmNotification".into()],
        operator: Some("someone.amazonaws.com".into()),
        instance_refresh: Some("InProgress".into()),
        status: "DEGRADED".into(),
        issues: vec![("AsgInstanceLaunchFailures".into(), "no capacity & more".into())],
        ..World::default()
    });
    let group = workers(&server).await.read(true).await.unwrap();

    assert_eq!(group.asg.as_str(), "eks-workers-8ac7d1b2");
    assert_eq!(group.size, Size { min: 1, desired: 3, max: 6 });
    assert_eq!(group.target.template, Some(template(TEMPLATE, "2")));
    assert_eq!(group.target.alias, None);
    let versions: Vec<_> = group.instances.values().map(|one| one.template.clone().unwrap().version).collect();
    assert_eq!(versions.iter().filter(|version| *version == "1").count(), 2);
    let one = group.instances.values().next().unwrap();
    assert_eq!(
        (one.lifecycle.clone(), one.healthy, one.protected, one.no_node),
        (Lifecycle::InService, true, false, false)
    );
    assert_eq!(one.instance_type, "m6i.large");
    assert_eq!(group.zones.iter().map(Zone::as_str).collect::<Vec<_>>(), ["eu-west-1a", "eu-west-1b", "eu-west-1c"]);
    assert_eq!(group.suspended, [Process::AzRebalance, Process::Other("AlarmNotification".into())].into());
    assert_eq!(group.operator.as_deref(), Some("someone.amazonaws.com"));
    assert_eq!(group.instance_refresh.as_deref(), Some("InProgress"));

    let nodegroup = group.nodegroup.unwrap();
    assert_eq!(nodegroup.name.as_str(), "workers");
    assert_eq!(nodegroup.status, NodegroupStatus::Degraded);
    assert_eq!(
        nodegroup.issues,
        [HealthIssue {
            code: "AsgInstanceLaunchFailures".into(),
            message: "no capacity & more".into(),
            resources: vec!["eks-workers-8ac7d1b2".into()]
        }]
    );
    assert_eq!(nodegroup.max_unavailable, Some(IntOrPercent::Int(1)));
    assert_eq!(nodegroup.strategy, UpdateStrategy::Minimal);
    assert_eq!(nodegroup.version.as_deref(), Some("1.36"));
    assert_eq!(nodegroup.release.as_deref(), Some("1.36.3-20261101"));
    assert_eq!(nodegroup.ami_type.as_deref(), Some("AL2023_x86_64_STANDARD"));
    assert_eq!(nodegroup.capacity_type.as_deref(), Some("ON_DEMAND"));
    assert!(server.calls_of("ec2:DescribeLaunchTemplates").is_empty(), "a number needs no look-up");
}

#[tokio::test]
async fn aliases_and_templates_of_single_types_are_resolved_by_ec2_and_kept_for_a_while() {
    let server = AwsServer::start(World::self_managed());
    let cloud = shop(&server).await;
    let group = cloud.read(false).await.unwrap();
    assert_eq!(group.target.template, Some(template(TEMPLATE, "2")));
    assert_eq!(group.target.alias.as_deref(), Some("$Latest"));
    assert_eq!(group.target.overrides, BTreeMap::from([("m6a.large".to_owned(), template(OTHER, "2"))]));
    assert!(group.nodegroup.is_none());
    assert_eq!(group.operator, None);
    assert_eq!(group.instance_refresh, None);

    cloud.read(false).await.unwrap();
    let calls = server.calls_of("ec2:DescribeLaunchTemplates");
    let asked: Vec<_> = calls.iter().map(|call| call.params["LaunchTemplateId.1"].as_str()).collect();
    assert_eq!(asked, [TEMPLATE, OTHER]);
    assert!(calls[0].user_agent.contains(concat!("mngup/", env!("CARGO_PKG_VERSION"))), "{}", calls[0].user_agent);
}

#[tokio::test]
async fn a_group_whose_size_does_not_count_instances_is_refused() {
    let refused = async |world: World| {
        let server = AwsServer::start(world);
        let group = shop(&server).await.read(false).await.unwrap();
        let mut snapshot = Snapshot::default();
        snapshot.apply(Change::Group(Box::new(group)));
        let objections = plan::objections(&snapshot, &Policy::default());
        objections.iter().map(|one| format!("{one}\n{}", one.remedy("shop-nodes"))).collect::<Vec<_>>().join("\n")
    };
    assert_snapshot!(refused(World { weight: Some(2), ..World::self_managed() }).await, @"
    the Auto Scaling group's size does not count instances (m6i.large counts 2, m6a.large counts 2), so that mngup cannot tell how many nodes it would be short of
    give shop-nodes a size in instances: no weights in its mixed-instances policy, no DesiredCapacityType but units
    ");
    let vcpu = World { capacity_type: Some("vcpu".into()), ..World::self_managed() };
    assert_snapshot!(refused(vcpu).await, @"
    the Auto Scaling group's size does not count instances (it counts vcpu), so that mngup cannot tell how many nodes it would be short of
    give shop-nodes a size in instances: no weights in its mixed-instances policy, no DesiredCapacityType but units
    ");
    // One each is what none is.
    let plain = World { weight: Some(1), capacity_type: Some("units".into()), ..World::self_managed() };
    assert_eq!(refused(plain).await, "");
}

#[tokio::test]
async fn the_default_version_is_another_than_the_latest() {
    let server = AwsServer::start(World { launches: VersionUse::Default, mixed: false, ..World::self_managed() });
    let group = shop(&server).await.read(false).await.unwrap();
    assert_eq!(group.target.template, Some(template(TEMPLATE, "1")));
    assert_eq!(group.target.alias.as_deref(), Some("$Default"));
}

#[tokio::test]
async fn what_changes_seldom_is_asked_for_seldom_and_each_reading_is_as_old_as_its_question() {
    let server = default_world();
    let cloud = workers(&server).await;
    let before = jiff::Timestamp::now();
    for _ in 0..3 {
        let group = cloud.read(true).await.unwrap();
        assert!(group.observed_at >= before && group.observed_at <= jiff::Timestamp::now());
    }
    let count = |action: &str| server.calls_of(action).len();
    assert_eq!(count("autoscaling:DescribeAutoScalingGroups"), 3);
    // One to find the group, one for the first reading.
    assert_eq!(count("eks:DescribeNodegroup"), 2);
    assert_eq!(count("autoscaling:DescribeScalingActivities"), 1);
    assert_eq!(count("autoscaling:DescribeInstanceRefreshes"), 1);
}

#[tokio::test]
async fn a_failed_launch_is_told_in_the_words_of_the_scaling_activity() {
    let server = default_world();
    server.fail_launches(FailureReason::Capacity, None);
    let gone = server.instances()[0].0.clone();
    server.with_asg(|asg, now| asg.terminate(&gone, false, now).map(drop)).unwrap();
    let group = workers(&server).await.read(true).await.unwrap();
    let failed = group.activities.iter().find(|activity| activity.is_failed_launch()).unwrap();
    assert!(failed.message.as_ref().unwrap().contains("sufficient m6i.large capacity"), "{failed:?}");
    assert!(group.activities.is_sorted_by(|left, right| left.started_at >= right.started_at));
    assert!(matches!(group.instances[&gone].lifecycle, Lifecycle::Terminating(_)));
}

#[tokio::test]
async fn a_third_of_the_calls_throttled_is_survived() {
    let server = AwsServer::start(World::self_managed());
    server.throttle(33, 42);
    let cloud = shop(&server).await;
    for _ in 0..4 {
        cloud.read(true).await.unwrap();
    }
    let throttled = server.calls().iter().filter(|call| [400, 503].contains(&call.status)).count();
    assert!(throttled >= 2, "{throttled} of {}", server.calls().len());
}

#[tokio::test]
async fn the_cluster_says_where_its_api_server_is() {
    let server = default_world();
    server.serve_cluster("https://127.0.0.1:6443", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    let cluster = session(&server).await.cluster(&prod()).await.unwrap();
    assert_eq!(
        (cluster.endpoint.as_str(), cluster.version.as_str(), cluster.status.as_str()),
        ("https://127.0.0.1:6443", "1.36", "ACTIVE")
    );
    assert!(cluster.ca_pem.starts_with("-----BEGIN CERTIFICATE-----\n"));
    let call = &server.calls_of("eks:DescribeCluster")[0];
    assert!(call.user_agent.contains(concat!("lib/mngup/", env!("CARGO_PKG_VERSION"))), "{}", call.user_agent);
}

#[tokio::test]
async fn an_unknown_group_is_answered_with_the_names_there_are() {
    let server = AwsServer::start(World { other_nodegroups: vec!["gpu".into()], ..World::default() });
    let group = GroupName::Nodegroup(NodegroupName::new("worker"));
    let error = session(&server).await.cloud(&prod(), &group).await.unwrap_err();
    let PortError::NotFound { what, others } = error else { panic!("{error}") };
    assert_eq!(
        (what.as_str(), others),
        ("nodegroup/worker of cluster/prod", vec!["workers".to_owned(), "gpu".to_owned()])
    );
}
