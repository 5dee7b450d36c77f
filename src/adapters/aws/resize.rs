//! Moves the group's sizes.
//!
//! The cluster autoscaler and people move them too, and none of the calls takes a precondition. So each names only what
//! is to move, and the group is read right before: where somebody else moved it meanwhile, nothing is sent, and the
//! engine looks again.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use aws_sdk_autoscaling::operation::{
    set_desired_capacity::SetDesiredCapacityError, update_auto_scaling_group::UpdateAutoScalingGroupError,
};
use aws_sdk_eks::types::{NodegroupScalingConfig, Update, UpdateStatus};

use super::{
    act::{outcome, when_busy},
    actions,
    cloud::AwsCloud,
    redact,
};
use crate::{
    domain::{NodegroupName, Size},
    ports::{Outcome, PortError, Refusal, Step},
};

/// How often EKS is asked whether it has changed the maximum, and how long.
const UPDATE_EVERY: Duration = Duration::from_secs(2);
const UPDATE_PATIENCE: Duration = Duration::from_mins(3);

/// Moves what is named. The maximum of a managed group moves through EKS, which would undo it otherwise; what it desires
/// moves through Auto Scaling even so, because EKS carries a change out only seconds later, over whatever is there then.
pub(super) async fn resize(cloud: &AwsCloud, desired: Option<Step>, max: Option<Step>) -> Outcome {
    let size = match look(cloud, desired, max).await {
        Ok(size) => size,
        Err(refusal) => return Outcome::Refused(refusal),
    };
    // An attempt whose answer was lost may have moved it.
    let max = max.map(|step| step.to).filter(|max| *max != size.max);
    match (&cloud.nodegroup, max, desired) {
        (Some(nodegroup), Some(max), None) => move_nodegroup(cloud, nodegroup, max).await,
        (Some(nodegroup), Some(max), Some(step)) => match move_nodegroup(cloud, nodegroup, max).await {
            Outcome::Done => match look(cloud, desired, None).await {
                Ok(_) => set_desired(cloud, step.to).await,
                Err(refusal) => Outcome::Refused(refusal),
            },
            not_done @ (Outcome::Refused(_) | Outcome::Unknown(_)) => not_done,
        },
        (None, Some(max), desired) => update_asg(cloud, desired, max).await,
        (_, None, Some(step)) => set_desired(cloud, step.to).await,
        (_, None, None) => Outcome::Done,
    }
}

/// The sizes as they are, unless moving them now would undo what somebody else did.
async fn look(cloud: &AwsCloud, desired: Option<Step>, max: Option<Step>) -> Result<Size, Refusal> {
    let size = cloud.size().await.map_err(|error| unread(&error))?;
    let moved = |what: &str, step: Step, now: u32| {
        let Step { from, to } = step;
        let message = format!("{}: its {what} moved from {from} to {now} before it was set to {to}", cloud.object());
        Err(Refusal::Conflict { message })
    };
    match (desired, max) {
        (Some(step), _) if size.desired != step.from => moved("desired size", step, size.desired),
        (_, Some(step)) if size.max != step.from && size.max != step.to => moved("maximum", step, size.max),
        // Auto Scaling would lower the desired size with it, and end nodes of its own choice.
        (None, Some(Step { to, .. })) if to < size.desired => {
            let message = format!("{}: its desired size moved above {to}, to {}", cloud.object(), size.desired);
            Err(Refusal::Conflict { message })
        }
        _ => Ok(size),
    }
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

/// "Any properties that you don't specify are not changed": `UpdateAutoScalingGroup`.
async fn update_asg(cloud: &AwsCloud, desired: Option<Step>, max: u32) -> Outcome {
    let answer = cloud
        .session
        .autoscaling()
        .update_auto_scaling_group()
        .auto_scaling_group_name(cloud.asg.as_str())
        .max_size(number(max))
        .set_desired_capacity(desired.map(|step| number(step.to)))
        .customize()
        .config_override(when_busy::<UpdateAutoScalingGroupError>())
        .send()
        .await;
    outcome(cloud, actions::UPDATE_GROUP, &cloud.object(), answer)
}

/// "When updating a node group, you can specify any or none of the properties": `NodegroupScalingConfig`.
async fn move_nodegroup(cloud: &AwsCloud, nodegroup: &NodegroupName, max: u32) -> Outcome {
    let _resizing = Resizing::of(&cloud.resizing);
    let object = format!("nodegroup/{nodegroup}");
    let answer = cloud
        .session
        .eks()
        .update_nodegroup_config()
        .cluster_name(cloud.cluster.as_str())
        .nodegroup_name(nodegroup.as_str())
        .scaling_config(NodegroupScalingConfig::builder().max_size(number(max)).build())
        .send()
        .await;
    match answer {
        Ok(answer) => match answer.update().and_then(Update::id) {
            Some(update) => follow(cloud, nodegroup, update, max).await,
            None => Outcome::Unknown(format!("{} {object}: EKS names no update", actions::UPDATE_NODEGROUP_CONFIG)),
        },
        Err(error) => cloud.session.failed(actions::UPDATE_NODEGROUP_CONFIG, &object, &error).into_outcome(),
    }
}

/// EKS only accepts the wish and carries it out later, and may fail then: done means that it said so.
///
/// Once it has accepted, an update that cannot be read is no failed act: sent again it would be a second update. The
/// group itself tells then.
async fn follow(cloud: &AwsCloud, nodegroup: &NodegroupName, id: &str, max: u32) -> Outcome {
    let object = format!("nodegroup/{nodegroup}");
    let began = Instant::now();
    let mut unread = None;
    while began.elapsed() < UPDATE_PATIENCE {
        match update(cloud, nodegroup, id).await {
            Ok(Progress::Done) => return Outcome::Done,
            Ok(Progress::Failed(why)) => {
                let message = format!("{} {object}: update {id} is {why}", actions::UPDATE_NODEGROUP_CONFIG);
                return Outcome::Refused(Refusal::Failed { code: 0, message });
            }
            Ok(Progress::UnderWay) => unread = None,
            Err(error) => {
                if cloud.size().await.is_ok_and(|size| size.max == max) {
                    return Outcome::Done;
                }
                unread = Some(error);
            }
        }
        tokio::time::sleep(UPDATE_EVERY).await;
    }
    Outcome::Unknown(match unread {
        Some(error) => format!("{object}: what became of update {id} cannot be read: {error}"),
        None => format!("{object}: EKS still works on update {id}"),
    })
}

/// How far EKS is.
enum Progress {
    UnderWay,
    Done,
    /// Its status, and why.
    Failed(String),
}

async fn update(cloud: &AwsCloud, nodegroup: &NodegroupName, id: &str) -> Result<Progress, PortError> {
    let request = cloud
        .session
        .eks()
        .describe_update()
        .name(cloud.cluster.as_str())
        .nodegroup_name(nodegroup.as_str())
        .update_id(id);
    let answer = request.send().await.map_err(|error| {
        cloud.session.failed(actions::DESCRIBE_UPDATE, &format!("nodegroup/{nodegroup}"), &error).into_port()
    })?;
    Ok(match answer.update().map(|update| (update, update.status())) {
        Some((_, Some(UpdateStatus::Successful))) => Progress::Done,
        Some((update, Some(status @ (UpdateStatus::Failed | UpdateStatus::Cancelled)))) => {
            Progress::Failed(format!("{}: {}", status.as_str(), errors(update)))
        }
        Some((_, Some(_) | None)) | None => Progress::UnderWay,
    })
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

/// Nothing was sent yet.
fn unread(error: &PortError) -> Refusal {
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

/// Says, while it lives, that the group is UPDATING because of us; also when the act is dropped half way.
struct Resizing<'a>(&'a AtomicBool);

impl<'a> Resizing<'a> {
    fn of(flag: &'a AtomicBool) -> Self {
        flag.store(true, Ordering::SeqCst);
        Self(flag)
    }
}

impl Drop for Resizing<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}
