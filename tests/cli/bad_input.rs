//! Bad input that only servers can tell: each a clear message, the object's name, what to do, and nothing touched.

use std::{fs, path::PathBuf};

use insta::assert_snapshot;
use tempfile::TempDir;

use crate::{
    aws::{AwsServer, Key, World},
    mngup_in,
    stand_in::StandIn,
};

/// A home, AWS, and a cluster's API.
pub(crate) struct Place {
    pub(crate) home: TempDir,
    pub(crate) aws: AwsServer,
    pub(crate) api: StandIn,
}

/// Calls of AWS that change something, by how their names begin.
const WRITES: [&str; 5] = ["Terminate", "Set", "Update", "Suspend", "Resume"];

impl Place {
    pub(crate) fn new(world: World) -> Self {
        let place = Self { home: tempfile::tempdir().unwrap(), aws: AwsServer::start(world), api: StandIn::start() };
        place.aws.serve_cluster(place.api.url(), "no certificate is needed here");
        place.kubeconfig("kubeconfig", place.api.url());
        place
    }

    /// A kubeconfig that leads to this server, with the two contexts prod and staging.
    fn kubeconfig(&self, name: &str, server: &str) -> PathBuf {
        let contexts = ["prod", "staging"]
            .map(|name| format!("- {{name: {name}, context: {{cluster: {name}, user: ann}}}}\n"))
            .concat();
        let clusters =
            ["prod", "staging"].map(|name| format!("- {{name: {name}, cluster: {{server: '{server}'}}}}\n")).concat();
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: prod\ncontexts:\n{contexts}clusters:\n{clusters}\
             users:\n- {{name: ann, user: {{token: not-a-secret}}}}\n"
        );
        let path = self.home.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// The screen, with addresses that differ each time as words.
    pub(crate) fn mngup(&self, line: &str) -> String {
        self.mngup_with(line, &[])
    }

    /// The same with other variables; one that is empty is taken away.
    fn mngup_with(&self, line: &str, other: &[(&str, &str)]) -> String {
        let mut variables = self.aws.env();
        variables.retain(|(name, _)| other.iter().all(|(other, _)| other != name));
        variables.extend(other.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        variables.retain(|(_, value)| !value.is_empty());
        let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let screen = mngup_in(self.home.path(), line, &variables);
        for secret in ["not-a-secret", "k8s-aws-v1", "X-Amz-Signature"] {
            assert!(!screen.contains(secret), "{screen}");
        }
        self.nothing_was_touched();
        screen.replace(&self.aws.url(), "http://AWS").replace(self.api.url(), "http://API")
    }

    fn nothing_was_touched(&self) {
        let calls = self.aws.calls();
        let writes = |action: &str| WRITES.iter().any(|write| action.split_once(':').unwrap().1.starts_with(write));
        let written: Vec<_> = calls.iter().filter(|call| writes(&call.action)).collect();
        assert!(written.is_empty(), "{written:?}");
        assert_eq!(self.api.writes(), Vec::<String>::new());
    }
}

const UPGRADE: &str = "upgrade -c prod -n workers --yes";

#[test]
fn an_unknown_cluster() {
    let place = Place::new(World::default());
    assert_snapshot!(place.mngup("upgrade -c prdo -n workers --yes"), @r#"
    2> error: this account and region has no cluster "prdo"; it has prod, staging
    2>   Next: mngup upgrade -c prod -n workers
    [2]
    "#);
    assert_snapshot!(place.mngup("status -c elsewhere -n workers -r eu-west-1"), @r#"
    2> error: region eu-west-1 has no cluster "elsewhere"; it has prod, staging
    [2]
    "#);
}

#[test]
fn an_unknown_group() {
    let place = Place::new(World { other_nodegroups: vec!["gpu".into(), "monitoring".into()], ..World::default() });
    assert_snapshot!(place.mngup("upgrade -c prod -n worker --yes"), @r#"
    2> error: cluster/prod has no nodegroup "worker"; it has gpu, monitoring, workers
    2>   Next: mngup upgrade -c prod -n workers
    [2]
    "#);
    assert_snapshot!(place.mngup("abort -c prod -n db --yes"), @r#"
    2> error: cluster/prod has no nodegroup "db"; it has gpu, monitoring, workers
    [2]
    "#);
    assert_snapshot!(place.mngup("upgrade -c prod --asg eks-workers --yes"), @r#"
    2> error: cluster/prod has no self-managed Auto Scaling group "eks-workers"
    [2]
    "#);
    assert_snapshot!(place.mngup("upgrade -c prod --asg eks-workers-8ac7d1b2 --yes"), @"
    2> error: asg/eks-workers-8ac7d1b2: belongs to a managed node group: use --nodegroup workers
    [4]
    ");
}

#[test]
fn a_group_of_another_cluster() {
    let place = Place::new(World { owned: false, ..World::self_managed() });
    assert_snapshot!(place.mngup("upgrade -c prod --asg shop-nodes --yes"), @"
    2> error: asg/shop-nodes: does not belong to cluster/prod: it has no tag kubernetes.io/cluster/prod or k8s.io/cluster/prod
    [4]
    ");
}

#[test]
fn a_cluster_that_is_being_made() {
    let place = Place::new(World::default());
    assert_snapshot!(place.mngup("upgrade -c staging -n workers --yes"), @"
    2> error: cluster/staging: has no endpoint while it is CREATING
    [4]
    ");
}

#[test]
fn no_region() {
    let place = Place::new(World::default());
    assert_snapshot!(place.mngup_with(UPGRADE, &[("AWS_REGION", "")]), @"
    2> error: no AWS region is set: give --region, AWS_REGION or a region in the AWS profile
    2>   Next: mngup upgrade -c prod -n workers -r REGION
    [2]
    ");
}

#[test]
fn an_unknown_profile() {
    let place = Place::new(World::default());
    fs::write(place.home.path().join("aws"), "[profile ops]\nregion = eu-west-1\n[profile dev]\n").unwrap();
    let file = place.home.path().join("aws").display().to_string();
    assert_snapshot!(place.mngup_with(&format!("{UPGRADE} -p opps"), &[("AWS_CONFIG_FILE", &file)]), @r#"
    2> error: AWS profile "opps" does not exist
    2>   Next: did you mean "ops"? There is dev, ops
    [2]
    "#);
}

#[test]
fn no_credentials() {
    let place = Place::new(World::default());
    assert_snapshot!(place.mngup_with(UPGRADE, &[("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")]), @"
    2> error: no AWS credentials were found: set --profile or AWS_PROFILE (after `aws sso login`), or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
    2>   Next: give others: -p PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment
    2>     or: aws sts get-caller-identity   # where the AWS CLI is: says what these are worth
    [4]
    ");
}

#[test]
fn expired_credentials() {
    let place = Place::new(World::default());
    place.aws.expire_credentials();
    assert_snapshot!(place.mngup(UPGRADE), @"
    2> error: the AWS credentials have expired: set --profile or AWS_PROFILE (after `aws sso login`), or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
    2>   Next: give others: -p PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment
    2>     or: aws sts get-caller-identity   # where the AWS CLI is: says what these are worth
    [4]
    ");
}

#[test]
fn credentials_of_nobody() {
    let place = Place::new(World::default());
    assert_snapshot!(place.mngup_with(UPGRADE, &[("AWS_ACCESS_KEY_ID", &Key::of("stranger").id)]), @"
    2> error: AWS does not accept the credentials (UnrecognizedClientException): set --profile or AWS_PROFILE (after `aws sso login`), or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
    2>   Next: give others: -p PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment
    2>     or: aws sts get-caller-identity   # where the AWS CLI is: says what these are worth
    [4]
    ");
}

#[test]
fn an_aws_action_without_the_right() {
    let place = Place::new(World::default());
    place.aws.deny("eks:DescribeCluster");
    assert_snapshot!(place.mngup(UPGRADE), @"
    2> error: no right to eks:DescribeCluster: cluster/prod: User: arn:aws:sts::111122223333:assumed-role/deployer/ci is not authorized to perform: eks:DescribeCluster because no identity-based policy allows the eks:DescribeCluster action
    2>   Next: attach docs/iam-policy.json to this identity
    [4]
    ");
}

#[test]
fn a_proxy_that_is_none() {
    let place = Place::new(World::default());
    place.aws.serve_cluster("https://ABC.gr7.eu-west-1.eks.amazonaws.com", "no certificate is needed here");
    let typo = [("HTTPS_PROXY", "http//ann:not-a-secret@proxy:3128")];
    assert_snapshot!(place.mngup_with(UPGRADE, &typo), @"
    2> error: the variable HTTPS_PROXY: names no proxy that mngup can use, http://HOST:PORT is wanted; correct it, or name the API server's host in NO_PROXY
    [4]
    ");
    place.kubeconfig("broken", "https://ABC.gr7.eu-west-1.eks.amazonaws.com");
    let broken = [("https_proxy", "http://pro xy:3128")];
    assert_snapshot!(place.mngup_with(&format!("{UPGRADE} --kubeconfig broken"), &broken), @"
    2> error: the variable https_proxy: names no proxy that mngup can use, http://HOST:PORT is wanted; correct it, or name the API server's host in NO_PROXY
    2>   Next: leave --kubeconfig and --context out: mngup connects by itself
    [4]
    ");
}

#[test]
fn no_right_to_evict() {
    let place = Place::new(World::default());
    place.api.deny("create pods/eviction");
    assert_snapshot!(place.mngup(&format!("{UPGRADE} --kubeconfig kubeconfig")), @"
    2> error: this identity has no right in cluster/prod to create pods/eviction
    2>   Next: bind docs/rbac.yaml to it (kubectl apply -f rbac.yaml), and give it an access entry with that group
    [4]
    ");
    place.api.deny("delete pods");
    place.api.deny("update leases");
    assert_snapshot!(place.mngup(&format!("{UPGRADE} --kubeconfig kubeconfig --force")), @r#"
    2> error: this identity has no right in cluster/prod to delete pods (for --force and --disable-eviction); create pods/eviction; update leases.coordination.k8s.io "mngup-workers" in namespace/kube-system
    2>   Next: bind docs/rbac.yaml to it (kubectl apply -f rbac.yaml), and give it an access entry with that group
    [4]
    "#);
}

#[test]
fn an_api_server_that_knows_nobody() {
    let place = Place::new(World::default());
    place.api.forget_everybody();
    assert_snapshot!(place.mngup(&format!("{UPGRADE} --kubeconfig kubeconfig")), @"
    2> error: http://API does not accept these credentials: Unauthorized
    2>   Next: kubectl --kubeconfig kubeconfig auth whoami   # as whom it logs in
    [4]
    ");
    // By the cluster's own endpoint it is AWS's identity that is not known.
    place.aws.serve_cluster(place.api.url(), CERTIFICATE);
    assert_snapshot!(place.mngup(UPGRADE), @"
    2> error: http://API does not accept these credentials: Unauthorized
    2>   Next: aws eks list-access-entries --cluster-name prod   # who may enter
    2>     or: aws eks create-access-entry --cluster-name prod --principal-arn ARN --kubernetes-groups mngup-operators   # then bind docs/rbac.yaml
    [4]
    ");
}

#[test]
fn a_kubeconfig_that_is_missing_broken_or_without_the_context() {
    let place = Place::new(World::default());
    assert_snapshot!(place.mngup(&format!("{UPGRADE} --kubeconfig nowhere")), @"
    2> error: kubeconfig nowhere does not exist
    2>   Next: leave --kubeconfig and --context out: mngup connects by itself
    [2]
    ");
    assert_snapshot!(place.mngup(&format!("{UPGRADE} --context prod")), @"
    2> error: kubeconfig HOME/.kube/config does not exist
    2>   Next: leave --kubeconfig and --context out: mngup connects by itself
    [2]
    ");
    fs::write(place.home.path().join("broken"), "apiVersion: v1\nclusters: [{name: prod, cluster: {").unwrap();
    assert_snapshot!(place.mngup(&format!("{UPGRADE} --kubeconfig broken")), @"
    2> error: kubeconfig broken: is broken YAML or no kubeconfig, see line 2 column 34
    2>   Next: leave --kubeconfig and --context out: mngup connects by itself
    [4]
    ");
    assert_snapshot!(place.mngup(&format!("{UPGRADE} --kubeconfig kubeconfig --context prd")), @r#"
    2> error: context "prd" in kubeconfig kubeconfig does not exist
    2>   Next: did you mean "prod"? There is prod, staging
    2>     or: leave --kubeconfig and --context out: mngup connects by itself
    [2]
    "#);
}

#[test]
fn a_kubeconfig_of_another_server() {
    let place = Place::new(World::default());
    place.kubeconfig("other", "https://ABC.gr7.eu-west-1.eks.amazonaws.com");
    assert_snapshot!(place.mngup(&format!("{UPGRADE} --kubeconfig other")), @"
    2> error: the kubeconfig leads to https://ABC.gr7.eu-west-1.eks.amazonaws.com, but cluster/prod is at http://API
    2>   Next: choose the right --context, or leave --kubeconfig and --context out: mngup connects by itself
    2>     or: --allow-endpoint-mismatch   # a bastion or proxy stands in between
    [4]
    ");
    // With the flag it goes on, here as far as the rights.
    place.aws.serve_cluster("https://ABC.gr7.eu-west-1.eks.amazonaws.com", "no certificate is needed here");
    place.api.deny("patch nodes");
    assert_snapshot!(place.mngup(&format!("{UPGRADE} --kubeconfig kubeconfig --allow-endpoint-mismatch")), @"
    2> error: this identity has no right in cluster/prod to patch nodes
    2>   Next: bind docs/rbac.yaml to it (kubectl apply -f rbac.yaml), and give it an access entry with that group
    [4]
    ");
    assert_snapshot!(place.mngup(&format!("{UPGRADE} --allow-endpoint-mismatch")), @"
    2> error: --allow-endpoint-mismatch without a kubeconfig: there is nothing to mismatch
    2>   Next: add --kubeconfig PATH or --context NAME
    [2]
    ");
}

#[test]
fn a_server_that_does_not_answer() {
    let place = Place::new(World::default());
    assert_snapshot!(place.mngup_with(UPGRADE, &[("AWS_ENDPOINT_URL", "http://127.0.0.1:1")]), @"
    2> error: eks at http://127.0.0.1:1 does not answer: cluster/prod: Connection refused (os error 111)
    2>   Next: look at the way there: VPN, HTTPS_PROXY, an endpoint that only its VPC reaches
    [1]
    ");
    place.aws.serve_cluster("http://127.0.0.1:1", CERTIFICATE);
    assert_snapshot!(place.mngup(UPGRADE), @"
    2> error: http://127.0.0.1:1 does not answer: tcp connect error: Connection refused (os error 111)
    2>   Next: look at the way there: VPN, HTTPS_PROXY, an endpoint that only its VPC reaches
    [1]
    ");
    place.kubeconfig("closed", "http://127.0.0.1:1");
    assert_snapshot!(place.mngup(&format!("{UPGRADE} --kubeconfig closed")), @"
    2> error: http://127.0.0.1:1 does not answer: tcp connect error: Connection refused (os error 111)
    2>   Next: look at the way there: VPN, HTTPS_PROXY, an endpoint that only its VPC reaches
    [1]
    ");
}

/// Nobody's.
const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBeTCCAR+gAwIBAgIUF8E6EjCua49LNZMLYSCeYXOwgb0wCgYIKoZIzj0EAwIw
ETEPMA0GA1UEAwwGbm9ib2R5MCAXDTI2MTEyMTEwMzExN1oYDzIxMjYxMDI4MTAz
MTE3WjARMQ8wDQYDVQQDDAZub2JvZHkwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AATn0PLXGxTkrx1zVnhV8GMEn0d0uWDTVsLpqUb/3weC9ewLFEd6UUYYj4za91/m
TFb8Aa3t6CRfiaZgkzTOSnFUo1MwUTAdBgNVHQ4EFgQUAYRePVBn8JOMRD0SYU0g
IFGcsTswHwYDVR0jBBgwFoAUAYRePVBn8JOMRD0SYU0gIFGcsTswDwYDVR0TAQH/
BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiEAvoPN15m/OLbqODHFq18eTjrmcJi0
Ekj67x9FEMnM4uoCIGaqPne26PSUinAoKyJ8UpCIsehO/ZWHiBlMI6r2MyPa
-----END CERTIFICATE-----
";

#[test]
fn the_intent_of_a_newer_mngup() {
    let place = Place::new(World::default());
    place.api.remember(r#"{"schema": 9, "version": "4.2.0", "run": "r1"}"#);
    assert_snapshot!(place.mngup(&format!("{UPGRADE} --kubeconfig kubeconfig")), @"
    2> error: configmap/kube-system/mngup-workers: was written by mngup 4.2.0 in form 9, this mngup (0.1.0) reads forms up to 1; go on with mngup 4.2.0 or a newer one
    [4]
    ");
    assert_snapshot!(place.mngup("status -c prod -n workers --kubeconfig kubeconfig"), @"
    2> error: configmap/kube-system/mngup-workers: was written by mngup 4.2.0 in form 9, this mngup (0.1.0) reads forms up to 1; go on with mngup 4.2.0 or a newer one
    [4]
    ");
    assert_snapshot!(place.mngup("abort -c prod -n workers --yes --kubeconfig kubeconfig"), @"
    2> error: configmap/kube-system/mngup-workers: was written by mngup 4.2.0 in form 9, this mngup (0.1.0) reads forms up to 1; go on with mngup 4.2.0 or a newer one
    [4]
    ");
    place.api.remember("dear diary");
    assert_snapshot!(place.mngup(&format!("{UPGRADE} --kubeconfig kubeconfig")), @r#"
    2> error: configmap/kube-system/mngup-workers: its key "intent" cannot be read (expected value at line 1 column 1); if no run needs it any more, delete the ConfigMap
    [4]
    "#);
}

#[test]
fn a_node_that_is_not_the_group_s() {
    let place = Place::new(World::default());
    assert_snapshot!(place.mngup(&format!("{UPGRADE} --kubeconfig kubeconfig --node ip-10-0-9-9")), @r#"
    2> error: nodegroup/workers has no node "ip-10-0-9-9"
    2>   Next: kubectl --kubeconfig kubeconfig get nodes   # shows the names
    [4]
    "#);
}

#[test]
fn a_journal_that_cannot_be_written_or_is_another_run_s() {
    let place = Place::new(World::default());
    fs::write(place.home.path().join("run.jsonl"), include_str!("run.jsonl")).unwrap();
    assert_snapshot!(place.mngup(&format!("{UPGRADE} --kubeconfig kubeconfig --journal run.jsonl")), @"
    2> error: run.jsonl is the journal of another run, r1
    2>   Next: name another file, or leave it out
    [2]
    ");
    fs::write(place.home.path().join("damaged.jsonl"), "dear diary\n").unwrap();
    assert_snapshot!(place.mngup(&format!("{UPGRADE} --kubeconfig kubeconfig --journal damaged.jsonl")), @"
    2> error: damaged.jsonl is not a journal of mngup: its first line is no header: expected value (column 1)
    2>   Next: name another file, or leave it out
    [2]
    ");
    assert_snapshot!(place.mngup(&format!("{UPGRADE} --kubeconfig kubeconfig --journal run.jsonl/x")), @"
    2> error: the journal run.jsonl/x cannot be written
    2>   because Not a directory (os error 20)
    2>   Next: name another file, or leave --journal out: then it goes where journals live
    [2]
    ");
}

#[test]
fn a_broken_world_of_the_sandbox() {
    let place = Place::new(World::default());
    let world = |text: &str| {
        fs::write(place.home.path().join("world.yaml"), text).unwrap();
        place.mngup("upgrade --sandbox world.yaml")
    };
    let shop = include_str!("../../plans/sandbox/never-allows.yaml");
    assert_snapshot!(place.mngup("upgrade --sandbox nowhere.yaml"), @"
    2> error: nowhere.yaml: No such file or directory (os error 2)
    2>   Next: mngup upgrade --sandbox   # the world that mngup brings
    [2]
    ");
    assert_snapshot!(world("group: ["), @"
    2> error: world.yaml:1: fields are expected here, each as name: value
    2>   Next: mngup upgrade --sandbox   # the world that mngup brings
    [2]
    ");
    // All fields are named; which there are grows with what worlds can play.
    let said = world(&shop.replacen("replicas:", "replica:", 1));
    let (first, rest) = said.split_once(", expected one of ").unwrap();
    assert_snapshot!(first, @"2> error: world.yaml:18: unknown field `replica`");
    assert!(rest.starts_with("kind, name, namespace, replicas, "), "{rest}");
    assert_snapshot!(world(&shop.replacen("old: 2", "old: 20", 1)), @"
    2> error: world.yaml:8: group.max: 6 is less than the 22 nodes in zones
    2>   Next: mngup upgrade --sandbox   # the world that mngup brings
    [2]
    ");
    assert_snapshot!(world(&shop.replacen("cpu: 50m", "cpu: lots", 1)), @r#"
    2> error: world.yaml:17: workloads[0].cpu: "lots" is not an amount of processor; write it as 250m or 2
    2>   Next: mngup upgrade --sandbox   # the world that mngup brings
    [2]
    "#);
    assert_snapshot!(world(""), @"
    2> error: world.yaml:1: there is nothing in it
    2>   Next: mngup upgrade --sandbox   # the world that mngup brings
    [2]
    ");
}
