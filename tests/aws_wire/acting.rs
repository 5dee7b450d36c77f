//! Acts, and what the server's log says of them.

use std::time::Duration;

use mngup::{
    domain::{InstanceId, NodegroupStatus, Process, Size},
    ports::{Cloud, CloudAct, Outcome, Refusal},
};

use crate::{
    aws::{AwsServer, Loss, World},
    default_world, shop, workers,
};

const TERMINATE: &str = "autoscaling:TerminateInstanceInAutoScalingGroup";

fn terminate(instance: &InstanceId, decrement: bool) -> CloudAct {
    CloudAct::Terminate { instance: instance.clone(), decrement }
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
    assert_eq!(cloud.act(&CloudAct::SetSize { desired: 4, max: None }).await, Outcome::Done);
    assert_eq!(server.size(), Size { min: 1, desired: 4, max: 6 });
    let call = &server.calls_of("autoscaling:SetDesiredCapacity")[0];
    assert_eq!(call.params["HonorCooldown"], "false");
    let outcome = cloud.act(&CloudAct::SetSize { desired: 9, max: None }).await;
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
    assert_eq!(cloud.act(&CloudAct::SetSize { desired: 7, max: Some(8) }).await, Outcome::Done);
    assert_eq!(server.size(), Size { min: 1, desired: 7, max: 8 });
    let call = &server.calls_of("eks:UpdateNodegroupConfig")[0];
    let said: Vec<_> =
        ["minSize", "maxSize", "desiredSize"].map(|name| call.params[&format!("scalingConfig.{name}")].clone()).into();
    assert_eq!(said, ["1", "8", "7"]);
    assert!(call.params.contains_key("clientRequestToken"), "a retry must not be a second update");
    assert!(!server.calls_of("eks:DescribeUpdate").is_empty());
    assert!(server.calls_of("autoscaling:UpdateAutoScalingGroup").is_empty());
}

#[tokio::test]
async fn a_group_that_eks_resizes_for_us_does_not_count_as_being_updated() {
    let server = AwsServer::start(World { resize: Duration::from_secs(2), ..World::default() });
    let cloud = workers(&server).await;
    let act = CloudAct::SetSize { desired: 4, max: Some(8) };
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
    let act = CloudAct::SetSize { desired: 4, max: Some(8) };
    let other = tokio::spawn(async move { one.act(&CloudAct::SetSize { desired: 4, max: Some(8) }).await });
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
    assert_eq!(cloud.act(&CloudAct::SetSize { desired: 7, max: Some(8) }).await, Outcome::Done);
    assert_eq!(server.size(), Size { min: 1, desired: 7, max: 8 });
    let call = &server.calls_of("autoscaling:UpdateAutoScalingGroup")[0];
    let named: Vec<_> = call.params.keys().map(String::as_str).collect();
    assert_eq!(named, ["AutoScalingGroupName", "DesiredCapacity", "MaxSize"]);
}

/// Waits until EKS was asked for another size.
async fn asked_to_resize(server: &AwsServer) {
    while server.calls_of("eks:UpdateNodegroupConfig").is_empty() {
        tokio::task::yield_now().await;
    }
}
