//! Acts, and what the server's log says of them.

use std::time::Duration;

use mngup::{
    domain::{InstanceId, NodegroupStatus, Process, Size},
    ports::{Cloud, CloudAct, Outcome, Refusal, Step},
};

use crate::{
    aws::{AwsServer, Call, Loss, World},
    default_world, shop, workers,
};

const TERMINATE: &str = "autoscaling:TerminateInstanceInAutoScalingGroup";

fn terminate(instance: &InstanceId, decrement: bool) -> CloudAct {
    CloudAct::Terminate { instance: instance.clone(), decrement }
}

fn grow(from: u32, to: u32) -> CloudAct {
    CloudAct::SetSize { desired: Some(Step { from, to }), max: None }
}

/// With the maximum, from the 6 of the default world.
fn grow_with_max(from: u32, to: u32, max: u32) -> CloudAct {
    CloudAct::SetSize { desired: Some(Step { from, to }), max: Some(Step { from: 6, to: max }) }
}

fn lower_max(to: u32) -> CloudAct {
    CloudAct::SetSize { desired: None, max: Some(Step { from: 6, to }) }
}

fn first(server: &AwsServer) -> InstanceId {
    server.instances()[0].0.clone()
}

#[tokio::test]
async fn a_termination_says_whether_the_group_shrinks() {
    let server = default_world();
    let cloud = workers(&server).await;
    assert_eq!(cloud.act(&terminate(&first(&server), true)).await, Outcome::Done);
    assert_eq!(server.size().desired, 2);
    assert_eq!(cloud.act(&terminate(&first(&server), false)).await, Outcome::Done);
    assert_eq!(server.size().desired, 2);
    let said: Vec<_> =
        server.calls_of(TERMINATE).iter().map(|call| call.params["ShouldDecrementDesiredCapacity"].clone()).collect();
    assert_eq!(said, ["true", "false"]);
}

#[tokio::test]
async fn a_termination_whose_answer_was_lost_is_unknown_and_was_sent_once() {
    for loss in [Loss::AfterDoing, Loss::BeforeDoing] {
        let server = default_world();
        let cloud = workers(&server).await;
        server.lose(TERMINATE, 1, loss);
        let instance = first(&server);
        let outcome = cloud.act(&terminate(&instance, false)).await;
        let Outcome::Unknown(why) = outcome else { panic!("{outcome:?}") };
        assert!(why.contains(instance.as_str()), "{why}");
        assert_eq!(server.calls_of(TERMINATE).len(), 1);
        let gone = server.with_asg(|asg, _| asg.instance(&instance).is_none_or(|one| one.state.is_leaving()));
        assert_eq!(gone, loss == Loss::AfterDoing);
    }
}

#[tokio::test]
async fn a_throttled_termination_is_sent_again_until_it_is_done_once() {
    let server = default_world();
    let cloud = workers(&server).await;
    server.throttle(60, 3);
    assert_eq!(cloud.act(&terminate(&first(&server), false)).await, Outcome::Done);
    let calls = server.calls_of(TERMINATE);
    assert!(calls.len() > 1, "the seed throttles none");
    assert_eq!(calls.iter().filter(|call| call.status == 200).count(), 1);
}

#[tokio::test]
async fn an_instance_that_is_not_there_is_gone() {
    let server = default_world();
    let cloud = workers(&server).await;
    let outcome = cloud.act(&terminate(&InstanceId::new("i-0123456789abcdef0"), false)).await;
    assert_eq!(outcome, Outcome::Refused(Refusal::Gone));
}

#[tokio::test]
async fn only_az_rebalance_is_suspended_and_resumed() {
    let server = default_world();
    let cloud = workers(&server).await;
    assert_eq!(cloud.act(&CloudAct::SuspendAzRebalance).await, Outcome::Done);
    assert_eq!(cloud.read(false).await.unwrap().suspended, [Process::AzRebalance].into());
    assert_eq!(cloud.act(&CloudAct::ResumeAzRebalance).await, Outcome::Done);
    assert!(cloud.read(false).await.unwrap().suspended.is_empty());
    for action in ["autoscaling:SuspendProcesses", "autoscaling:ResumeProcesses"] {
        let params = server.calls_of(action)[0].params.clone();
        let said: Vec<_> = params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let wanted = [("AutoScalingGroupName", "eks-workers-8ac7d1b2"), ("ScalingProcesses.member.1", "AZRebalance")];
        assert_eq!(said, wanted);
    }
}

#[tokio::test]
async fn the_desired_size_is_set_past_a_cooldown() {
    let server = default_world();
    let cloud = workers(&server).await;
    assert_eq!(cloud.act(&grow(3, 4)).await, Outcome::Done);
    assert_eq!(server.size(), Size { min: 1, desired: 4, max: 6 });
    let call = &server.calls_of("autoscaling:SetDesiredCapacity")[0];
    assert_eq!(call.params["HonorCooldown"], "false");
    let outcome = cloud.act(&grow(4, 9)).await;
    let Outcome::Refused(Refusal::Failed { code: 400, message }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(
        message,
        "autoscaling:SetDesiredCapacity asg/eks-workers-8ac7d1b2: ValidationError: New SetDesiredCapacity value 9 is \
         above max value 6 for the AutoScalingGroup."
    );
}

#[tokio::test]
async fn the_maximum_of_a_managed_group_moves_through_eks_and_is_done_when_eks_says_so() {
    let server = default_world();
    let cloud = workers(&server).await;
    cloud.read(false).await.unwrap();
    assert_eq!(cloud.act(&grow_with_max(3, 7, 8)).await, Outcome::Done);
    assert_eq!(server.size(), Size { min: 1, desired: 7, max: 8 });
    let call = &server.calls_of("eks:UpdateNodegroupConfig")[0];
    assert_eq!(scaling(call), [("scalingConfig.maxSize", "8")], "what is not named is not overwritten");
    assert!(call.params.contains_key("clientRequestToken"), "a retry must not be a second update");
    assert!(!server.calls_of("eks:DescribeUpdate").is_empty());
    assert!(server.calls_of("autoscaling:UpdateAutoScalingGroup").is_empty());
}

#[tokio::test]
async fn a_group_that_eks_resizes_for_us_does_not_count_as_being_updated() {
    let server = AwsServer::start(World { resize: Duration::from_secs(2), ..World::default() });
    let cloud = workers(&server).await;
    let act = grow_with_max(3, 4, 8);
    let (outcome, group) = tokio::join!(cloud.act(&act), async {
        asked_to_resize(&server).await;
        cloud.read(false).await.unwrap()
    });
    assert_eq!(outcome, Outcome::Done);
    assert_eq!(group.nodegroup.unwrap().status, NodegroupStatus::Active);
}

#[tokio::test]
async fn a_second_update_of_eks_is_a_conflict() {
    let server = AwsServer::start(World { resize: Duration::from_mins(1), ..World::default() });
    let (one, two) = (workers(&server).await, workers(&server).await);
    let act = grow_with_max(3, 4, 8);
    let other = tokio::spawn(async move { one.act(&grow_with_max(3, 4, 8)).await });
    asked_to_resize(&server).await;
    let outcome = two.act(&act).await;
    other.abort();
    assert!(
        matches!(&outcome, Outcome::Refused(Refusal::Conflict { message }) if message.contains("nodegroup/workers")),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn the_maximum_of_a_self_managed_group_moves_through_auto_scaling() {
    let server = AwsServer::start(World::self_managed());
    let cloud = shop(&server).await;
    assert_eq!(cloud.act(&grow_with_max(3, 7, 8)).await, Outcome::Done);
    assert_eq!(server.size(), Size { min: 1, desired: 7, max: 8 });
    let call = &server.calls_of("autoscaling:UpdateAutoScalingGroup")[0];
    let named: Vec<_> = call.params.keys().map(String::as_str).collect();
    assert_eq!(named, ["AutoScalingGroupName", "DesiredCapacity", "MaxSize"]);
}

#[tokio::test]
async fn a_lowered_maximum_leaves_the_desired_size_alone() {
    let managed = default_world();
    assert_eq!(workers(&managed).await.act(&lower_max(5)).await, Outcome::Done);
    assert_eq!(managed.size(), Size { min: 1, desired: 3, max: 5 });
    assert_eq!(scaling(&managed.calls_of("eks:UpdateNodegroupConfig")[0]), [("scalingConfig.maxSize", "5")]);
    assert!(managed.calls_of("autoscaling:SetDesiredCapacity").is_empty());

    let own = AwsServer::start(World::self_managed());
    assert_eq!(shop(&own).await.act(&lower_max(5)).await, Outcome::Done);
    assert_eq!(own.size(), Size { min: 1, desired: 3, max: 5 });
    let call = &own.calls_of("autoscaling:UpdateAutoScalingGroup")[0];
    let named: Vec<_> = call.params.keys().map(String::as_str).collect();
    assert_eq!(named, ["AutoScalingGroupName", "MaxSize"]);
}

#[tokio::test]
async fn a_size_that_somebody_else_moved_meanwhile_is_not_overwritten() {
    for world in [World::default(), World::self_managed()] {
        let managed = world.nodegroup.is_some();
        let server = AwsServer::start(world);
        let cloud = if managed { workers(&server).await } else { shop(&server).await };
        cloud.read(false).await.unwrap();
        // The cluster autoscaler, after the engine looked and before it acts.
        server.with_asg(|asg, now| asg.set_desired(5, now)).unwrap();
        let name = if managed { "eks-workers-8ac7d1b2" } else { "shop-nodes" };
        let conflict = |what: &str| Outcome::Refused(Refusal::Conflict { message: format!("asg/{name}: its {what}") });
        let moved = conflict("desired size moved from 3 to 5 before it was set to 4");
        assert_eq!(cloud.act(&grow(3, 4)).await, moved);
        assert_eq!(cloud.act(&grow_with_max(3, 4, 8)).await, moved);
        assert_eq!(cloud.act(&lower_max(4)).await, conflict("desired size moved above 4, to 5"));
        server.with_asg(|asg, now| asg.update_size(None, Some(9), None, now)).unwrap();
        let moved = conflict("maximum moved from 6 to 9 before it was set to 8");
        assert_eq!(cloud.act(&grow_with_max(5, 7, 8)).await, moved);
        let wrote =
            server.calls().into_iter().find(|call| call.action.contains(":Update") || call.action.contains(":Set"));
        assert_eq!(wrote, None);
    }
}

#[tokio::test]
async fn a_size_that_moves_while_eks_raises_the_maximum_is_not_overwritten_either() {
    let server = AwsServer::start(World { resize: Duration::from_secs(1), ..World::default() });
    let cloud = workers(&server).await;
    let act = grow_with_max(3, 7, 8);
    let (outcome, ()) = tokio::join!(cloud.act(&act), async {
        asked_to_resize(&server).await;
        server.with_asg(|asg, now| asg.set_desired(5, now)).unwrap();
    });
    assert!(matches!(outcome, Outcome::Refused(Refusal::Conflict { .. })), "{outcome:?}");
    assert_eq!(server.size(), Size { min: 1, desired: 5, max: 8 });
    // Looked at again: the maximum is there already, and EKS is not asked twice.
    assert_eq!(cloud.act(&grow_with_max(5, 7, 8)).await, Outcome::Done);
    assert_eq!(server.size(), Size { min: 1, desired: 7, max: 8 });
    assert_eq!(server.calls_of("eks:UpdateNodegroupConfig").len(), 1);
}

#[tokio::test]
async fn an_update_that_cannot_be_read_is_not_asked_for_again() {
    let server = default_world();
    server.deny("eks:DescribeUpdate");
    let cloud = workers(&server).await;
    assert_eq!(cloud.act(&grow_with_max(3, 7, 8)).await, Outcome::Done);
    assert_eq!(server.size(), Size { min: 1, desired: 7, max: 8 });
    assert_eq!(server.calls_of("eks:UpdateNodegroupConfig").len(), 1);
    assert!(server.calls_of("eks:DescribeUpdate").iter().all(|call| call.status == 403));
}

/// The sizes that a call to EKS names.
fn scaling(call: &Call) -> Vec<(&str, &str)> {
    let named = call.params.iter().filter(|(name, _)| name.starts_with("scalingConfig"));
    named.map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// Waits until EKS was asked for another size.
async fn asked_to_resize(server: &AwsServer) {
    while server.calls_of("eks:UpdateNodegroupConfig").is_empty() {
        tokio::task::yield_now().await;
    }
}
