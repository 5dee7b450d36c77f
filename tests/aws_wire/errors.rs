//! What a user reads when AWS says no, and what nobody may read.

use std::sync::{Arc, Mutex};

use mngup::{
    adapters::aws::Session,
    domain::{AsgName, ClusterName, GroupName},
    ports::{Cloud, CloudAct, Outcome, PortError, Refusal},
};

use crate::{
    aws::{AwsServer, Key, World},
    default_world, prod, session, session_with, workers,
};

#[tokio::test]
async fn an_unknown_cluster_is_answered_with_near_names() {
    let server = default_world();
    let error = session(&server).await.cluster(&ClusterName::new("prood")).await.unwrap_err();
    assert_eq!(error.to_string(), "cluster/prood in eu-west-1 does not exist");
    let PortError::NotFound { others, .. } = error else { panic!("{error}") };
    assert_eq!(others, ["prod", "staging"]);
}

#[tokio::test]
async fn names_are_a_help_and_no_right_to_list_them_is_no_error() {
    let server = default_world();
    server.deny("eks:ListClusters");
    let error = session(&server).await.cluster(&ClusterName::new("prood")).await.unwrap_err();
    assert!(matches!(error, PortError::NotFound { others, .. } if others.is_empty()));
}

#[tokio::test]
async fn a_cluster_that_is_being_made_says_so() {
    let server = default_world();
    let error = session(&server).await.cluster(&ClusterName::new("staging")).await.unwrap_err();
    assert_eq!(error.to_string(), "cluster/staging: has no endpoint while it is CREATING");
}

#[tokio::test]
async fn a_group_of_another_cluster_or_kind_is_refused_by_name() {
    let named = |name: &str| GroupName::Asg(AsgName::new(name));
    let stranger = AwsServer::start(World { owned: false, ..World::self_managed() });
    let error = session(&stranger).await.cloud(&prod(), &named("shop-nodes")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "asg/shop-nodes: does not belong to cluster/prod: it has no tag kubernetes.io/cluster/prod or \
         k8s.io/cluster/prod"
    );
    let managed = default_world();
    let error = session(&managed).await.cloud(&prod(), &named("eks-workers-8ac7d1b2")).await.unwrap_err();
    assert_eq!(error.to_string(), "asg/eks-workers-8ac7d1b2: belongs to a managed node group: use --nodegroup workers");
    let error = session(&managed).await.cloud(&prod(), &named("nobody")).await.unwrap_err();
    assert_eq!(error.to_string(), "asg/nobody in eu-west-1 does not exist");
}

#[tokio::test]
async fn a_missing_right_is_named() {
    let server = default_world();
    server.deny("autoscaling:DescribeAutoScalingGroups");
    server.deny("autoscaling:TerminateInstanceInAutoScalingGroup");
    let cloud = workers(&server).await;
    let error = cloud.read(false).await.unwrap_err();
    assert!(matches!(&error, PortError::Forbidden { what, .. } if what == "autoscaling:DescribeAutoScalingGroups"));
    let instance = server.instances()[0].0.clone();
    let outcome = cloud.act(&CloudAct::Terminate { instance: instance.clone(), decrement: false }).await;
    let Outcome::Refused(Refusal::Forbidden { message }) = outcome else { panic!("{outcome:?}") };
    let begins = format!(
        "no right to autoscaling:TerminateInstanceInAutoScalingGroup on instance/{instance} of asg/eks-workers-8ac7d1b2: "
    );
    assert!(message.starts_with(&begins), "{message}");
}

#[tokio::test]
async fn a_missing_right_to_look_up_an_alias_is_named() {
    let server = AwsServer::start(World::self_managed());
    server.deny("ec2:DescribeLaunchTemplates");
    let error = crate::shop(&server).await.read(false).await.unwrap_err();
    assert!(matches!(&error, PortError::Forbidden { what, .. } if what == "ec2:DescribeLaunchTemplates"), "{error}");
}

#[tokio::test]
async fn wrong_and_expired_keys_say_what_to_do_and_never_the_key() {
    let server = default_world();
    let stranger = Key::of("stranger");
    let error = session_with(&server, &stranger).await.unwrap().cluster(&prod()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "AWS does not accept the credentials (UnrecognizedClientException) (profile ci): run `aws sso login --profile \
         ci` if it signs in through SSO, else renew its keys"
    );
    let cloud = workers(&server).await;
    server.expire_credentials();
    let error = cloud.read(false).await.unwrap_err();
    assert!(
        matches!(&error, PortError::Credentials { message } if message.starts_with("the AWS credentials have expired (profile ci)")),
        "{error}"
    );
    for text in [format!("{error:?}"), format!("{:?}", session(&server).await), format!("{cloud:?}")] {
        assert!(!text.contains(&Key::of("mngup").id) && !text.contains("not-a-secret"), "{text}");
    }
}

#[tokio::test]
async fn no_credentials_and_no_region_say_where_they_may_be_set() {
    let nothing = || aws_config::defaults(aws_config::BehaviorVersion::latest()).no_credentials();
    let somewhere = aws_config::Region::new("eu-west-1");
    let error = Session::from_loader(nothing().region(somewhere), None).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no AWS credentials were found: set --profile or AWS_PROFILE (after `aws sso login`), or AWS_ACCESS_KEY_ID and \
         AWS_SECRET_ACCESS_KEY"
    );
    // A provider that knows none, whatever the variables of this process say.
    let nowhere = None::<aws_config::Region>;
    let error = Session::from_loader(nothing().region(NoRegion(nowhere)), Some("ci".into())).await.unwrap_err();
    assert_eq!(error.to_string(), "no AWS region is set: give --region, AWS_REGION or a region in profile ci");
}

#[derive(Debug)]
struct NoRegion(Option<aws_config::Region>);

impl aws_config::meta::region::ProvideRegion for NoRegion {
    fn region(&self) -> aws_config::meta::region::future::ProvideRegion<'_> {
        aws_config::meta::region::future::ProvideRegion::ready(self.0.clone())
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_named() {
    let server = default_world();
    let session = session(&server).await;
    let url = server.url();
    drop(server);
    let error = session.cluster(&prod()).await.unwrap_err();
    let begins = format!("eks at {url} does not answer: cluster/prod: Connection refused");
    assert!(error.to_string().starts_with(&begins), "{error}");
}

/// Lines of every level that this thread traces.
#[derive(Clone, Default)]
struct Traces(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Traces {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_secret_is_traced_at_any_level() {
    let traces = Traces::default();
    let writer = traces.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _listens = tracing::subscriber::set_default(subscriber);

    let key = Key { session: Some("the-session-token".to_owned()), ..Key::of("mngup") };
    let server = AwsServer::start(World { keys: vec![key.clone()], ..World::self_managed() });
    let loader = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::new("eu-west-1"))
        .endpoint_url(server.url())
        .credentials_provider(aws_credential_types::Credentials::new(
            &*key.id,
            &*key.secret,
            key.session.clone(),
            None,
            "test",
        ));
    let session = Session::from_loader(loader, None).await.unwrap();
    let token = session.token(&prod()).token().await.unwrap().token;
    let cloud = session.cloud(&prod(), &GroupName::Asg(AsgName::new("shop-nodes"))).await.unwrap();
    cloud.read(true).await.unwrap();

    let text = String::from_utf8(traces.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("TRACE"), "nothing was traced");
    for secret in [key.secret.as_str(), "the-session-token", token.as_str(), "X-Amz-Signature"] {
        let line = text.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is traced");
    }
}
