//! One group of one cluster, read and acted upon through [`Cloud`].

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::sync::Mutex;

use super::{
    act, actions,
    error::CallError,
    group::{self, Resolved},
    look, parse,
    session::Session,
    target::Templates,
};
use crate::{
    domain::{
        Answer, AsgName, Ask, ClusterName, Group, Nodegroup, NodegroupName, NodegroupStatus, ScalingActivity, Size,
    },
    ports::{Cloud, CloudAct, Outcome, PortError},
};

/// EKS counts its calls for the whole account, so its view of the group is read seldom.
const NODEGROUP_EVERY: Duration = Duration::from_secs(30);
const ACTIVITIES_EVERY: Duration = Duration::from_secs(5);
const REFRESH_EVERY: Duration = Duration::from_mins(1);
/// "Of the last hours": older failures explain nothing that happens now.
const ACTIVITIES_SINCE: i64 = 6 * 3600;
const ACTIVITIES_PAGE: i32 = 100;

/// One Auto Scaling group, and the managed node group above it if there is one.
pub struct AwsCloud {
    pub(super) session: Session,
    pub(super) cluster: ClusterName,
    pub(super) asg: AsgName,
    pub(super) nodegroup: Option<NodegroupName>,
    /// A change of the maximum that we asked EKS for is under way: that it is UPDATING is then our own doing.
    pub(super) resizing: AtomicBool,
    read: Mutex<Readings>,
}

/// What is read less often than the group itself.
#[derive(Default)]
struct Readings {
    templates: Templates,
    nodegroup: Paced<Option<Nodegroup>>,
    refresh: Paced<Option<String>>,
    activities: Paced<Vec<ScalingActivity>>,
}

/// A reading and when it was made.
struct Paced<T> {
    last: Option<(Instant, T)>,
}

impl AwsCloud {
    pub(super) fn new(session: Session, cluster: ClusterName, group: Resolved) -> Self {
        Self {
            session,
            cluster,
            asg: group.asg,
            nodegroup: group.nodegroup,
            resizing: AtomicBool::new(false),
            read: Mutex::default(),
        }
    }

    /// The Auto Scaling group's name.
    #[must_use]
    pub fn asg(&self) -> &AsgName {
        &self.asg
    }

    /// The sizes as they are now.
    pub(super) async fn size(&self) -> Result<Size, PortError> {
        let described = group::describe_asg(&self.session, &self.asg).await?;
        parse::size(&described, &self.object())
    }

    /// What messages call it.
    pub(super) fn object(&self) -> String {
        format!("asg/{}", self.asg)
    }

    async fn describe(&self, with_activities: bool) -> Result<Group, PortError> {
        let mut known = self.read.lock().await;
        let object = self.object();
        // Before the call: what happened since then may not be in the answer.
        let observed_at = Timestamp::now();
        let described = group::describe_asg(&self.session, &self.asg).await?;
        let size = parse::size(&described, &object)?;
        let target = known.templates.target(self.session.ec2(), &described, &object).await?;
        let nodegroup = match &self.nodegroup {
            Some(name) => self.nodegroup(name, &mut known.nodegroup).await?,
            None => None,
        };
        let instance_refresh = self.refresh(&mut known.refresh).await?;
        let activities = if with_activities { self.activities(&mut known.activities).await? } else { Vec::new() };
        Ok(Group {
            asg: self.asg.clone(),
            observed_at,
            size,
            counts: parse::counts(&described),
            target,
            instances: parse::instances(&described).collect::<BTreeMap<_, _>>(),
            suspended: parse::suspended(&described),
            operator: described.operator().and_then(|operator| operator.principal()).map(str::to_owned),
            instance_refresh,
            zones: described.availability_zones().iter().map(|zone| zone.as_str().into()).collect(),
            activities,
            nodegroup,
        })
    }

    async fn nodegroup(
        &self,
        name: &NodegroupName,
        known: &mut Paced<Option<Nodegroup>>,
    ) -> Result<Option<Nodegroup>, PortError> {
        if let Some(fresh) = known.within(NODEGROUP_EVERY) {
            return Ok(fresh);
        }
        let before = known.any().flatten();
        let mut read = match group::describe_nodegroup(&self.session, &self.cluster, name).await {
            Ok(described) => parse::nodegroup(&self.cluster, name, &described),
            Err(PortError::Unreachable { .. }) if before.is_some() => return Ok(before),
            Err(error) => return Err(error),
        };
        if read.status == NodegroupStatus::Updating && self.resizing.load(Ordering::SeqCst) {
            read.status = before.map_or(NodegroupStatus::Active, |before| before.status);
        }
        Ok(known.keep(Some(read)))
    }

    async fn refresh(&self, known: &mut Paced<Option<String>>) -> Result<Option<String>, PortError> {
        if let Some(fresh) = known.within(REFRESH_EVERY) {
            return Ok(fresh);
        }
        let request = self
            .session
            .autoscaling()
            .describe_instance_refreshes()
            .auto_scaling_group_name(self.asg.as_str())
            .max_records(10);
        match request.send().await {
            Ok(answer) => Ok(known.keep(answer.instance_refreshes().iter().find_map(parse::refresh))),
            Err(error) => {
                let failure = self.session.failed(actions::DESCRIBE_REFRESHES, &self.object(), &error);
                known.or_older(failure)
            }
        }
    }

    async fn activities(&self, known: &mut Paced<Vec<ScalingActivity>>) -> Result<Vec<ScalingActivity>, PortError> {
        if let Some(fresh) = known.within(ACTIVITIES_EVERY) {
            return Ok(fresh);
        }
        let since = Timestamp::now().as_second() - ACTIVITIES_SINCE;
        let filter = aws_sdk_autoscaling::types::Filter::builder()
            .name("StartTimeLowerBound")
            .values(Timestamp::from_second(since).unwrap_or(Timestamp::UNIX_EPOCH).to_string())
            .build();
        let request = self
            .session
            .autoscaling()
            .describe_scaling_activities()
            .auto_scaling_group_name(self.asg.as_str())
            .max_records(ACTIVITIES_PAGE)
            .filters(filter);
        match request.send().await {
            Ok(answer) => {
                let mut read: Vec<_> = answer.activities().iter().filter_map(parse::activity).collect();
                read.retain(|activity| activity.started_at.as_second() >= since);
                read.sort_by_key(|activity| std::cmp::Reverse(activity.started_at));
                Ok(known.keep(read))
            }
            Err(error) => {
                let failure = self.session.failed(actions::DESCRIBE_ACTIVITIES, &self.object(), &error);
                known.or_older(failure)
            }
        }
    }
}

impl Cloud for AwsCloud {
    async fn read(&self, activities: bool) -> Result<Group, PortError> {
        self.describe(activities).await
    }

    async fn look(&self, asks: &BTreeSet<Ask>) -> Vec<Answer> {
        look::look(self, asks).await
    }

    async fn act(&self, act: &CloudAct) -> Outcome {
        act::perform(self, act).await
    }
}

impl<T: Clone> Paced<T> {
    /// The last reading, while it is younger than this.
    fn within(&self, span: Duration) -> Option<T> {
        self.last.as_ref().filter(|(read, _)| read.elapsed() < span).map(|(_, value)| value.clone())
    }

    /// The last reading, however old.
    fn any(&self) -> Option<T> {
        self.last.as_ref().map(|(_, value)| value.clone())
    }

    fn keep(&mut self, value: T) -> T {
        self.last = Some((Instant::now(), value.clone()));
        value
    }

    /// An older reading serves while a failure may pass by itself.
    fn or_older(&self, failure: CallError) -> Result<T, PortError> {
        match self.any() {
            Some(older) if failure.may_pass() => Ok(older),
            Some(_) | None => Err(failure.into_port()),
        }
    }
}

impl<T> Default for Paced<T> {
    fn default() -> Self {
        Self { last: None }
    }
}

impl fmt::Debug for AwsCloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsCloud")
            .field("cluster", &self.cluster)
            .field("asg", &self.asg)
            .field("nodegroup", &self.nodegroup)
            .finish_non_exhaustive()
    }
}
