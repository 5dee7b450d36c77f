//! Acts on the group, each with the retries that suit it.

use std::{fmt, marker::PhantomData};

use aws_sdk_autoscaling::{
    config::Builder,
    operation::{
        resume_processes::ResumeProcessesError, suspend_processes::SuspendProcessesError,
        terminate_instance_in_auto_scaling_group::TerminateInstanceInAutoScalingGroupError,
    },
};
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
    resize::resize,
};
use crate::{
    domain::InstanceId,
    ports::{CloudAct, Outcome, Refusal},
};

const AZ_REBALANCE: &str = "AZRebalance";

/// Acts, and says what came of it.
pub(super) async fn perform(cloud: &AwsCloud, act: &CloudAct) -> Outcome {
    match act {
        CloudAct::Terminate { instance, decrement } => terminate(cloud, instance, *decrement).await,
        CloudAct::SetSize { desired, max } => resize(cloud, *desired, *max).await,
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
    // An instance that is leaving already is answered with the activity that takes it away, by which the group does not
    // shrink: "… in response to a user request, shrinking the capacity from 4 to 3" is what one that does says.
    let cause = answer.as_ref().ok().and_then(|done| done.activity()).and_then(|activity| activity.cause());
    if decrement && cause.is_some_and(|cause| !cause.is_empty() && !cause.contains("shrinking the capacity")) {
        return Outcome::Refused(Refusal::Gone);
    }
    let object = format!("instance/{instance} of {}", cloud.object());
    outcome(cloud, actions::TERMINATE, &object, answer)
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

/// What an answer of Auto Scaling says came of an act.
pub(super) fn outcome<T, E>(
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

/// The SDK's retries, and those of a group that is busy with another activity.
pub(super) fn when_busy<E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static>() -> Builder {
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
