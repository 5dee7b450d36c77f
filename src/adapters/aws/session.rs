//! Region, credentials and clients: everything that asks AWS starts here.

use std::{fmt, sync::Arc, time::Duration};

use aws_config::{
    AppName, BehaviorVersion, ConfigLoader, FrameworkMetadata, Region, SdkConfig, profile::ProfileSet,
    retry::RetryConfig, timeout::TimeoutConfig,
};
use aws_credential_types::{Credentials, provider::ProvideCredentials};
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::{
    cloud::AwsCloud,
    cluster::{self, ClusterInfo},
    ec2::Ec2,
    error::{Account, CallError, credentials_trouble},
    group,
    telling::Telling,
    token::EksToken,
};
use crate::{
    domain::{AsgName, ClusterName, GroupName, InstanceId},
    ports::PortError,
};

/// With one call of three throttled, eight attempts fail once in ten thousand calls.
const ATTEMPTS: u32 = 8;
/// Doubled with each attempt, and a random part of that.
pub(super) const BACKOFF: Duration = Duration::from_millis(400);
const CONNECT: Duration = Duration::from_secs(5);
const ATTEMPT: Duration = Duration::from_secs(20);
const CALL: Duration = Duration::from_mins(2);

/// A region and an identity in it; cheap to clone.
#[derive(Clone)]
pub struct Session {
    inner: Arc<Inner>,
}

struct Inner {
    config: SdkConfig,
    account: Account,
    eks: aws_sdk_eks::Client,
    autoscaling: aws_sdk_autoscaling::Client,
    ec2: Ec2,
}

impl Session {
    /// Finds region and credentials as the AWS CLI does: flags, variables, profile (SSO too), the machine's own role.
    ///
    /// # Errors
    /// When no region is set, the profile does not exist, or there are no credentials that can be used.
    pub async fn load(region: Option<String>, profile: Option<String>) -> Result<Self, PortError> {
        let profile = profile.or_else(|| std::env::var("AWS_PROFILE").ok()).filter(|name| !name.is_empty());
        if let Some(profile) = &profile {
            check_profile(profile).await?;
        }
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Some(region) = region {
            loader = loader.region(Region::new(region));
        }
        if let Some(profile) = &profile {
            loader = loader.profile_name(profile);
        }
        Self::from_loader(loader, profile).await
    }

    /// The same from a loader that already knows some of it; tests give address and keys this way.
    ///
    /// # Errors
    /// As [`Session::load`].
    pub async fn from_loader(loader: ConfigLoader, profile: Option<String>) -> Result<Self, PortError> {
        let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(BACKOFF);
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(CALL)
            .build();
        let mut loader = loader.retry_config(retries).timeout_config(timeouts);
        if let Ok(name) = AppName::new("mngup") {
            loader = loader.app_name(name);
        }
        if let Ok(version) = FrameworkMetadata::new("mngup", Some(env!("CARGO_PKG_VERSION"))) {
            loader = loader.framework_metadata(version);
        }
        let config = loader.load().await;
        let Some(region) = config.region().map(ToString::to_string) else {
            return Err(PortError::Other { message: no_region(profile.as_deref()) });
        };
        let account = Account { profile, region, endpoint: config.endpoint_url().map(str::to_owned) };
        let eks = aws_sdk_eks::config::Builder::from(&config).interceptor(Telling).build();
        let autoscaling = aws_sdk_autoscaling::config::Builder::from(&config).interceptor(Telling).build();
        let session = Self {
            inner: Arc::new(Inner {
                eks: aws_sdk_eks::Client::from_conf(eks),
                autoscaling: aws_sdk_autoscaling::Client::from_conf(autoscaling),
                ec2: Ec2::new(&config, &account),
                account,
                config,
            }),
        };
        session.credentials().await?;
        Ok(session)
    }

    /// The region that is asked.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.inner.account.region
    }

    /// Reads where the cluster's API server is and how to know it.
    ///
    /// # Errors
    /// [`PortError::NotFound`] with the names that do exist, or whatever kept us from asking.
    pub async fn cluster(&self, name: &ClusterName) -> Result<ClusterInfo, PortError> {
        cluster::describe(self, name).await
    }

    /// Makes tokens for the cluster's API server.
    #[must_use]
    pub fn token(&self, cluster: &ClusterName) -> EksToken {
        EksToken::new(self.clone(), cluster.clone())
    }

    /// Finds the Auto Scaling group that the user means and checks that it belongs to the cluster.
    ///
    /// # Errors
    /// [`PortError::NotFound`] with the names that do exist, a group of another kind or cluster, or whatever kept us
    /// from asking.
    pub async fn cloud(&self, cluster: &ClusterName, group: &GroupName) -> Result<AwsCloud, PortError> {
        let group = group::resolve(self, cluster, group).await?;
        Ok(AwsCloud::new(self.clone(), cluster.clone(), group))
    }

    /// The Auto Scaling group of an instance, if it is in one.
    ///
    /// # Errors
    /// Whatever kept us from asking.
    pub async fn group_of(&self, instance: &InstanceId) -> Result<Option<AsgName>, PortError> {
        group::group_of(self, instance).await
    }

    pub(super) fn config(&self) -> &SdkConfig {
        &self.inner.config
    }

    pub(super) fn eks(&self) -> &aws_sdk_eks::Client {
        &self.inner.eks
    }

    pub(super) fn autoscaling(&self) -> &aws_sdk_autoscaling::Client {
        &self.inner.autoscaling
    }

    pub(super) fn ec2(&self) -> &Ec2 {
        &self.inner.ec2
    }

    /// Credentials for the requests that we sign ourselves.
    pub(super) async fn credentials(&self) -> Result<Credentials, PortError> {
        credentials(&self.inner.config, &self.inner.account).await
    }

    /// Sorts what an SDK client returned.
    pub(super) fn failed<E>(&self, action: &'static str, object: &str, error: &SdkError<E, HttpResponse>) -> CallError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        CallError::of(&self.inner.account, action, object, error)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("account", &self.inner.account).finish_non_exhaustive()
    }
}

/// Credentials as the provider chain has them now.
pub(super) async fn credentials(config: &SdkConfig, account: &Account) -> Result<Credentials, PortError> {
    let trouble = |wrong: &str| PortError::Credentials { message: account.advice(wrong) };
    let provider = config.credentials_provider().ok_or_else(|| trouble("no AWS credentials were found"))?;
    provider.provide_credentials().await.map_err(|error| trouble(&credentials_trouble(&error)))
}

fn no_region(profile: Option<&str>) -> String {
    let place = match profile {
        Some(profile) => format!("a region in profile {profile}"),
        None => "a region in the AWS profile".to_owned(),
    };
    format!("no AWS region is set: give --region, AWS_REGION or {place}")
}

/// A profile that does not exist would otherwise show as a missing region, or as the machine's own role.
async fn check_profile(name: &str) -> Result<(), PortError> {
    let known = profiles().await?;
    // "default" may be named without being there: it then stands for no settings at all.
    if name == "default" || known.get_profile(name).is_some() {
        return Ok(());
    }
    let mut others: Vec<_> = known.profiles().map(str::to_owned).collect();
    others.sort();
    Err(PortError::NotFound { what: format!("AWS profile \"{name}\""), others })
}

async fn profiles() -> Result<ProfileSet, PortError> {
    aws_config::profile::load(&<_>::default(), &<_>::default(), &<_>::default(), None).await.map_err(|_| {
        PortError::Malformed {
            what: "the AWS configuration (~/.aws/config, ~/.aws/credentials)".to_owned(),
            // Not the parser's own words: they may quote the line, and lines hold keys.
            message: "cannot be read; `aws configure list` says where it is wrong".to_owned(),
        }
    })
}
