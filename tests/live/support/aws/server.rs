//! The server as a test holds it.

use std::{
    collections::BTreeSet,
    future::Future,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, mpsc},
    time::Duration,
};

use axum::Router;
use jiff::{SignedDuration, Timestamp};
use mngup::{
    domain::{InstanceId, Size},
    sim::asg::{AutoScalingGroup, FailureReason, LaunchFailure},
};
use serde_json::Value;
use tokio::{net::TcpListener, runtime::Runtime};

use super::{
    account::Need,
    bridge::{Bridge, KilledPod},
    faults::{Joins, Loss},
    listener::{Cutter, Lines},
    service,
    state::{Call, Endpoint, State, Update, UpdateError},
    world::{Key, World},
};

/// How often the world is moved on while nobody asks.
const TICK: Duration = Duration::from_millis(20);

/// A running server; it ends when this is dropped.
pub struct AwsServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    /// Its own, so that tests may block.
    runtime: Option<Runtime>,
}

impl AwsServer {
    /// Starts it on a free port of this machine.
    pub fn start(world: World) -> Self {
        let state = Arc::new(Mutex::new(State::new(world)));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("aws")
            .enable_all()
            .build()
            .expect("a runtime");
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        socket.set_nonblocking(true).expect("a socket that does not block");
        let address = socket.local_addr().expect("bound");
        let shared = Arc::clone(&state);
        runtime.spawn(async move {
            let listener = Lines(TcpListener::from_std(socket).expect("a listening socket"));
            let router = Router::new().fallback(service::handle).with_state(shared);
            axum::serve(listener, router.into_make_service_with_connect_info::<Cutter>())
                .await
                .expect("serves for ever");
        });
        let shared = Arc::clone(&state);
        runtime.spawn(async move {
            loop {
                shared.lock().expect("no handler panics").advance(Timestamp::now());
                tokio::time::sleep(TICK).await;
            }
        });
        Self { address, state, runtime: Some(runtime) }
    }

    /// What AWS_ENDPOINT_URL must be.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where the API server's token webhook must point.
    pub fn webhook_url(&self) -> String {
        format!("{}/token-webhook", self.url())
    }

    /// The environment of a program that is to take this for AWS, and finds nothing else.
    pub fn env(&self) -> Vec<(String, String)> {
        self.env_of(0)
    }

    /// The same with another key of the world.
    pub fn env_of(&self, key: usize) -> Vec<(String, String)> {
        let (Key { id, secret, session, .. }, region) = {
            let state = self.state();
            (state.world.keys[key].clone(), state.world.region.clone())
        };
        let pairs = [
            ("AWS_ENDPOINT_URL", self.url()),
            ("AWS_ACCESS_KEY_ID", id),
            ("AWS_SECRET_ACCESS_KEY", secret),
            ("AWS_REGION", region),
            ("AWS_EC2_METADATA_DISABLED", "true".into()),
            ("AWS_CONFIG_FILE", "/dev/null".into()),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".into()),
        ];
        let session = session.map(|token| ("AWS_SESSION_TOKEN", token));
        pairs.into_iter().chain(session).map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// How many keys there are.
    pub fn keys(&self) -> usize {
        self.state().world.keys.len()
    }

    /// From now on `DescribeCluster` says where the API server is.
    pub fn serve_cluster(&self, url: &str, ca_pem: &str) {
        self.state().endpoint = Some(Endpoint { url: url.to_owned(), ca_pem: ca_pem.to_owned() });
    }

    /// Makes Nodes of the instances, waits until they are Ready, and goes on doing so from now on.
    pub fn bridge(&self, kubeconfig: &Path) {
        let state = Arc::clone(&self.state);
        let kubeconfig = kubeconfig.to_owned();
        let begun = self.wait_for(async move {
            let bridge = Bridge::connect(Arc::clone(&state), &kubeconfig).await?;
            bridge.join_existing().await?;
            let events = state.lock().expect("no handler panics").events.take();
            let events = events.ok_or("there is a bridge already")?;
            tokio::spawn(bridge.follow(events));
            Ok::<_, String>(())
        });
        begun.unwrap_or_else(|trouble| panic!("no bridge to the API server: {trouble}"));
    }

    /// Every call so far.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// The calls of one action, `autoscaling:SuspendProcesses`.
    pub fn calls_of(&self, action: &str) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.action == action).collect()
    }

    /// How many tokens were reviewed, and how many of them opened the door.
    pub fn token_reviews(&self) -> (u32, u32) {
        self.state().reviews
    }

    /// Throttles so many of a hundred calls, the same ones for the same seed.
    pub fn throttle(&self, percent: u64, seed: u64) {
        self.state().faults.throttled = Some((percent, seed));
    }

    /// Closes the connection instead of answering the next calls of this action.
    pub fn lose(&self, action: &str, count: u32, loss: Loss) {
        self.state().faults.losses.insert(action.to_owned(), (count, loss));
    }

    /// Denies an action.
    pub fn deny(&self, action: &str) {
        self.state().faults.denied.insert(action.to_owned());
    }

    /// Lets all credentials, and tokens made with them, expire.
    pub fn expire_credentials(&self) {
        self.state().faults.expired = true;
    }

    /// What becomes of instances that run from now on.
    pub fn joins(&self, joins: Joins) {
        self.state().faults.joins = joins;
    }

    /// What the next Nodes register with beyond the ordinary, one each, as merge patches.
    pub fn newcomers(&self, patches: impl IntoIterator<Item = Value>) {
        self.state().faults.newcomers.extend(patches);
    }

    /// From now on nobody sees that an instance is gone, so that its Node stays and whoever was on it; or somebody does again.
    pub fn keep_nodes(&self, keeps: bool) {
        self.state().faults.keeps_nodes = keeps;
    }

    /// Lets launches fail from now on, for so many attempts, or for good.
    pub fn fail_launches(&self, reason: FailureReason, attempts: Option<u32>) {
        let from = Timestamp::now();
        let failure = LaunchFailure { zone: None, instance_type: None, from, until: None, attempts, reason };
        self.state().asg.add_failure(failure);
    }

    /// Lets launches succeed again.
    pub fn heal_launches(&self) {
        self.state().asg.clear_failures(Timestamp::now());
    }

    /// From now on launches need this, and fail in these words where it is not there.
    pub fn launches_need(&self, need: Need, words: &str) {
        let mut state = self.state();
        state.launches_need(need, words, Timestamp::now());
    }

    /// Sets the highest spot price of the group's policy.
    pub fn pay_at_most(&self, price: &str) {
        self.state().account.spot_max_price = Some(price.to_owned());
    }

    /// Changes what EKS and others think of the world.
    pub fn change(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.state().world);
    }

    /// Changes how the node group is described: its status and its health issues, code and message.
    pub fn describe_as(&self, status: &str, issues: &[(&str, &str)]) {
        let mut state = self.state();
        status.clone_into(&mut state.world.status);
        state.world.issues = issues.iter().map(|(code, message)| ((*code).to_owned(), (*message).to_owned())).collect();
    }

    /// An update that EKS made of this node group's version, so long ago, and how it ended; its id.
    pub fn has_updated(
        &self,
        nodegroup: &str,
        status: &'static str,
        ago: Duration,
        errors: Vec<UpdateError>,
    ) -> String {
        let mut state = self.state();
        let created_at = Timestamp::now() - SignedDuration::try_from(ago).expect("a span that fits");
        let id = format!("0a1b2c3d-0000-4000-9000-{:012}", state.updates.len() + 1);
        let (kind, nodegroup, sizes) = ("VersionUpdate", nodegroup.to_owned(), (None, None, None));
        let update = Update { id: id.clone(), kind, nodegroup, status, errors, created_at, due: created_at, sizes };
        state.updates.push(update);
        id
    }

    /// Looks at the group, or does something to it.
    pub fn with_asg<T>(&self, act: impl FnOnce(&mut AutoScalingGroup, Timestamp) -> T) -> T {
        let mut state = self.state();
        let now = Timestamp::now();
        state.advance(now);
        let answer = act(&mut state.asg, now);
        state.advance(now);
        answer
    }

    /// The group's sizes.
    pub fn size(&self) -> Size {
        self.state().asg.size()
    }

    /// Instances that are not on their way out, with the template version they were launched from.
    pub fn instances(&self) -> Vec<(InstanceId, String)> {
        let state = self.state();
        let staying = state.asg.instances().values().filter(|one| !one.state.is_leaving());
        staying
            .map(|one| {
                let version = one.template.as_ref().map(|template| template.version.clone());
                (one.id.clone(), version.unwrap_or_default())
            })
            .collect()
    }

    /// The Nodes that instances of the group became so far.
    pub fn nodes(&self) -> BTreeSet<String> {
        self.state().nodes.values().cloned().collect()
    }

    /// The Node that an instance became.
    pub fn node_of(&self, instance: &InstanceId) -> Option<String> {
        self.state().nodes.get(instance).cloned()
    }

    /// Pods that had to leave and were still there when their instance was terminated.
    pub fn killed_with_node(&self) -> Vec<KilledPod> {
        self.state().killed.clone()
    }

    /// What the bridge could not do; a test that sees any has seen something else than it thinks.
    pub fn troubles(&self) -> Vec<String> {
        self.state().troubles.iter().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no handler panics")
    }

    /// Blocks this thread, whether it belongs to a runtime or not.
    fn wait_for<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> T {
        let (tell, hear) = mpsc::channel();
        let runtime = self.runtime.as_ref().expect("there until dropped");
        runtime.spawn(async move {
            let _ = tell.send(future.await);
        });
        hear.recv().expect("the task ends")
    }
}

impl Drop for AwsServer {
    fn drop(&mut self) {
        // Not waiting: a test's own runtime may not be blocked.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
