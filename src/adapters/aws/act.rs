//! Acts on the group, each with the retries that suit it.

use std::{
    fmt,
    marker::PhantomData,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use aws_sdk_autoscaling::{
    config::Builder,
    operation::{
        resume_processes::ResumeProcessesError, set_desired_capacity::SetDesiredCapacityError,
        suspend_processes::SuspendProcessesError,
        terminate_instance_in_auto_scaling_group::TerminateInstanceInAutoScalingGroupError,
        update_auto_scaling_group::UpdateAutoScalingGroupError,
    },
};
use aws_sdk_eks::types::{NodegroupScalingConfig, Update, UpdateStatus};
use aws_smithy_runtime_api::client::{
    interceptors::context::InterceptorContext,
    orchestrator::HttpResponse,
    result::SdkError,
    retries::classifiers::{ClassifyRetry, RetryAction, RetryClassifierPriority},
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::{
    actions,
    cloud::AwsCloud,
    error::{BUSY, THROTTLING},
    redact,
};
use crate::{
    domain::{InstanceId, NodegroupName, Size},
    ports::{CloudAct, Outcome, PortError, Refusal},
};

const AZ_REBALANCE: &str = "AZRebalance";
/// How often EKS is asked whether it has changed the sizes, and how long.
const UPDATE_EVERY: Duration = Duration::from_secs(2);
const UPDATE_PATIENCE: Duration = Duration::from_mins(3);

/// Acts, and says what came of it.
pub(super) async fn perform(cloud: &AwsCloud, act: &CloudAct) -> Outcome {
    match act {
        CloudAct::Terminate { instance, decrement } => terminate(cloud, instance, *decrement).await,
        CloudAct::SetSize { desired, max: None } => set_desired(cloud, *desired).await,
        CloudAct::SetSize { desired, max: Some(max) } => match &cloud.nodegroup {
            Some(nodegroup) => resize_nodegroup(cloud, nodegroup, *desired, *max).await,
            None => resize_asg(cloud, *desired, *max).await,
        },
        CloudAct::SuspendAzRebalance => suspend(cloud).await,
        CloudAct::ResumeAzRebalance => resume(cloud).await,
    }
}

/// Sent again only after an answer that says it was not done: there is no token that would make a second one harmless.
async fn terminate(cloud: &AwsCloud, instance: &InstanceId, decrement: bool) -> Outcome {
    let answer = cloud
        .session
        .autoscaling()
        .terminate_instance_in_auto_scaling_group()
        .instance_id(instance.as_str())
        .should_decrement_desired_capacity(decrement)
        .customize()
        .config_override(only_when_refused::<TerminateInstanceInAutoScalingGroupError>())
        .send()
        .await;
    let object = format!("instance/{instance} of {}", cloud.object());
    outcome(cloud, actions::TERMINATE, &object, answer)
}

async fn set_desired(cloud: &AwsCloud, desired: u32) -> Outcome {
    let answer = cloud
        .session
        .autoscaling()
        .set_desired_capacity()
        .auto_scaling_group_name(cloud.asg.as_str())
        .desired_capacity(number(desired))
        .honor_cooldown(false)
        .customize()
        .config_override(when_busy::<SetDesiredCapacityError>())
        .send()
        .await;
    outcome(cloud, actions::SET_DESIRED, &cloud.object(), answer)
}

async fn resize_asg(cloud: &AwsCloud, desired: u32, max: u32) -> Outcome {
    let answer = cloud
        .session
        .autoscaling()
        .update_auto_scaling_group()
        .auto_scaling_group_name(cloud.asg.as_str())
        .max_size(number(max))
        .desired_capacity(number(desired))
        .customize()
        .config_override(when_busy::<UpdateAutoScalingGroupError>())
        .send()
        .await;
    outcome(cloud, actions::UPDATE_GROUP, &cloud.object(), answer)
}

/// The list of processes must be there: without one, Auto Scaling suspends all of them.
async fn suspend(cloud: &AwsCloud) -> Outcome {
    let answer = cloud
        .session
        .autoscaling()
        .suspend_processes()
        .auto_scaling_group_name(cloud.asg.as_str())
        .scaling_processes(AZ_REBALANCE)
        .customize()
        .config_override(when_busy::<SuspendProcessesError>())
        .send()
        .await;
    outcome(cloud, actions::SUSPEND, &cloud.object(), answer)
}

async fn resume(cloud: &AwsCloud) -> Outcome {
    let answer = cloud
        .session
        .autoscaling()
        .resume_processes()
        .auto_scaling_group_name(cloud.asg.as_str())
        .scaling_processes(AZ_REBALANCE)
        .customize()
        .config_override(when_busy::<ResumeProcessesError>())
        .send()
        .await;
    outcome(cloud, actions::RESUME, &cloud.object(), answer)
}

/// EKS only accepts the wish and carries it out later, and may fail then: done means that it said so.
async fn resize_nodegroup(cloud: &AwsCloud, nodegroup: &NodegroupName, desired: u32, max: u32) -> Outcome {
    cloud.resizing.store(true, Ordering::SeqCst);
    let outcome = match cloud.size().await {
        Ok(Size { min, .. }) => update_nodegroup(cloud, nodegroup, Size { min, desired, max }).await,
        Err(error) => Outcome::Refused(refusal(&error)),
    };
    cloud.resizing.store(false, Ordering::SeqCst);
    outcome
}

async fn update_nodegroup(cloud: &AwsCloud, nodegroup: &NodegroupName, size: Size) -> Outcome {
    let object = format!("nodegroup/{nodegroup}");
    let sizes = NodegroupScalingConfig::builder()
        .min_size(number(size.min))
        .max_size(number(size.max))
        .desired_size(number(size.desired))
        .build();
    let answer = cloud
        .session
        .eks()
        .update_nodegroup_config()
        .cluster_name(cloud.cluster.as_str())
        .nodegroup_name(nodegroup.as_str())
        .scaling_config(sizes)
        .send()
        .await;
    match answer {
        Ok(answer) => match answer.update() {
            Some(update) => follow(cloud, nodegroup, update).await,
            None => Outcome::Unknown(format!("{} {object}: EKS names no update", actions::UPDATE_NODEGROUP_CONFIG)),
        },
        Err(error) => cloud.session.failed(actions::UPDATE_NODEGROUP_CONFIG, &object, &error).into_outcome(),
    }
}

async fn follow(cloud: &AwsCloud, nodegroup: &NodegroupName, accepted: &Update) -> Outcome {
    let object = format!("nodegroup/{nodegroup}");
    let id = accepted.id().unwrap_or_default();
    let began = Instant::now();
    while began.elapsed() < UPDATE_PATIENCE {
        let request = cloud
            .session
            .eks()
            .describe_update()
            .name(cloud.cluster.as_str())
            .nodegroup_name(nodegroup.as_str())
            .update_id(id);
        let update = match request.send().await {
            Ok(answer) => answer.update,
            Err(error) => {
                let failure = cloud.session.failed(actions::DESCRIBE_UPDATE, &object, &error);
                // Not a refusal of the act: EKS has accepted that.
                return Outcome::Unknown(failure.into_port().to_string());
            }
        };
        match update.as_ref().and_then(Update::status) {
            Some(UpdateStatus::Successful) => return Outcome::Done,
            Some(status @ (UpdateStatus::Failed | UpdateStatus::Cancelled)) => {
                let why = update.as_ref().map(errors).unwrap_or_default();
                let action = actions::UPDATE_NODEGROUP_CONFIG;
                let message = format!("{action} {object}: update {id} is {}: {why}", status.as_str());
                return Outcome::Refused(Refusal::Failed { code: 0, message });
            }
            Some(_) | None => tokio::time::sleep(UPDATE_EVERY).await,
        }
    }
    Outcome::Unknown(format!("{object}: EKS still works on update {id}"))
}

/// What EKS says went wrong.
fn errors(update: &Update) -> String {
    let said = update.errors().iter().map(|error| {
        let code = error.error_code().map_or("Unknown", aws_sdk_eks::types::ErrorCode::as_str);
        format!("{code}: {}", redact::message(error.error_message().unwrap_or("no reason given")))
    });
    let said = said.collect::<Vec<_>>().join("; ");
    if said.is_empty() { "EKS gives no reason".to_owned() } else { said }
}

fn outcome<T, E>(
    cloud: &AwsCloud,
    action: &'static str,
    object: &str,
    answer: Result<T, SdkError<E, HttpResponse>>,
) -> Outcome
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match answer {
        Ok(_) => Outcome::Done,
        Err(error) => cloud.session.failed(action, object, &error).into_outcome(),
    }
}

fn refusal(error: &PortError) -> Refusal {
    let message = error.to_string();
    match error {
        PortError::Forbidden { .. } | PortError::Credentials { .. } => Refusal::Forbidden { message },
        PortError::NotFound { .. } => Refusal::Gone,
        PortError::Unreachable { .. } | PortError::Malformed { .. } | PortError::Other { .. } => {
            Refusal::Failed { code: 0, message }
        }
    }
}

fn number(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// The SDK's retries, and those of a group that is busy with another activity.
fn when_busy<E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static>() -> Builder {
    aws_sdk_autoscaling::config::Config::builder().retry_classifier(Answers::<E> { alone: false, error: PhantomData })
}

/// Retries only after an answer that says the request was not done.
fn only_when_refused<E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static>() -> Builder {
    aws_sdk_autoscaling::config::Config::builder().retry_classifier(Answers::<E> { alone: true, error: PhantomData })
}

/// Decides by the code of the answer whether a call is sent again.
struct Answers<E> {
    /// Whether nothing else is retried: no lost answers, no 5xx.
    alone: bool,
    error: PhantomData<fn() -> E>,
}

impl<E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static> ClassifyRetry for Answers<E> {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let Some(Err(error)) = context.output_or_error() else { return RetryAction::NoActionIndicated };
        let code = error.as_operation_error().and_then(|error| error.downcast_ref::<E>()).and_then(E::code);
        match code {
            Some(code) if BUSY.contains(&code) || THROTTLING.contains(&code) => RetryAction::throttling_error(),
            Some(_) | None if self.alone => RetryAction::RetryForbidden,
            Some(_) | None => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "mngup: what the answer says"
    }

    /// After all of the SDK's own, to have the last word.
    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }
}

impl<E> fmt::Debug for Answers<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers").field("alone", &self.alone).finish()
    }
}
