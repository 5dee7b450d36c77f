//! One run a group: a Lease of `coordination.k8s.io/v1`.
//!
//! Whether another holder is dead is judged by watching, not by the clock alone: clocks differ. A Lease that does not
//! change for its whole duration while we look has a dead holder. A Lease whose last renewal is a quarter of an hour back
//! by our clock is taken without looking on, and one that was renewed within its duration by our clock is held, without
//! waiting. So a clock that goes ahead of the holder's by minutes costs a wait of one duration, and never takes a live
//! holder's Lease; one that goes behind refuses for so much longer.

use std::{
    hash::{BuildHasher, RandomState},
    sync::PoisonError,
    time::Duration,
};

use jiff::Timestamp;
use k8s_openapi::{api::coordination::v1 as coordination, apimachinery::pkg::apis::meta::v1::MicroTime};
use kube::{
    Resource,
    api::{DeleteParams, GetParams, PostParams, Preconditions},
    core::Request,
};
use serde_json::json;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};

use super::{
    answer::{Failure, fetch, send},
    client::Connection,
    cluster::Scope,
};
use crate::{
    domain::{Operator, RunId, elapsed, later},
    ports::{Lock, LockError},
};

/// A holder that has not renewed for so long is dead.
const DURATION: Duration = Duration::from_secs(30);

/// A Lease that was last renewed so long ago is taken without looking on. AWS refuses requests whose time is more than
/// five minutes off, so that neither our clock nor the holder's can be so wrong, nor both together.
const LONG_DEAD: Duration = Duration::from_mins(15);

/// Tells one process from another that works under the same name: a dead run's successor must not take itself for it.
const SESSION: &str = "mngup.dev/session";
const USER: &str = "mngup.dev/user";
const HOST: &str = "mngup.dev/host";

/// The Lease of a group.
pub struct KubeLock {
    connection: Connection,
    name: String,
    namespace: String,
    group: String,
    operator: Operator,
    identity: String,
    session: String,
    duration: Duration,
    state: Mutex<State>,
    /// When the last renewal that succeeded was sent.
    renewed: std::sync::Mutex<Option<Renewed>>,
}

/// A moment by both clocks: the wall's goes on while the machine sleeps, the other is never set back.
#[derive(Clone, Copy)]
struct Renewed {
    wall: Timestamp,
    steady: Instant,
}

#[derive(Default)]
struct State {
    /// The Lease as we last wrote it.
    held: Option<coordination::Lease>,
    /// Another's Lease: its version, and since when it has not changed.
    seen: Option<(String, Instant)>,
}

/// What to do about a Lease that another may hold.
enum Verdict {
    Take,
    LookOn,
    Held(LockError),
}

impl KubeLock {
    /// The lock of this group, for this run; nothing is sent yet.
    #[must_use]
    pub fn new(connection: Connection, scope: &Scope, operator: Operator, run: &RunId) -> Self {
        // The standard library seeds its hash maps at random: enough to tell processes apart.
        let random = RandomState::new().hash_one(Timestamp::now().as_nanosecond());
        Self {
            connection,
            name: scope.object_name(),
            namespace: scope.state_namespace.clone(),
            group: scope.group.to_string(),
            identity: format!("{}@{}/{run}", operator.user, operator.host),
            session: format!("{}-{random:016x}", std::process::id()),
            operator,
            duration: DURATION,
            state: Mutex::default(),
            renewed: std::sync::Mutex::default(),
        }
    }

    /// Holds it for another span than 30 s; the server counts in whole seconds, at least one.
    #[must_use]
    pub fn with_duration(mut self, duration: Duration) -> Self {
        self.duration = duration.max(Duration::from_secs(1));
        self
    }

    fn title(&self) -> String {
        format!("lease/{}/{}", self.namespace, self.name)
    }

    fn leases(&self) -> Request {
        Request::new(coordination::Lease::url_path(&(), Some(&self.namespace)))
    }

    fn failed(&self, verb: &str, failure: Failure) -> LockError {
        LockError::Port(failure.port(self.connection.server(), &format!("{verb} {}", self.title())))
    }

    async fn get(&self) -> Result<Option<coordination::Lease>, LockError> {
        let request = self.leases().get(&self.name, &GetParams::default());
        match fetch(&self.connection.client, request).await {
            Ok(lease) => Ok(Some(lease)),
            Err(failure) if failure.code() == Some(404) => Ok(None),
            Err(failure) => Err(self.failed("get", failure)),
        }
    }

    /// Writes the Lease as ours: over what was read, or new. None when somebody else wrote in between.
    async fn write(&self, over: Option<&coordination::Lease>) -> Result<Option<coordination::Lease>, LockError> {
        let now = Timestamp::now();
        let sent = Renewed { wall: now, steady: Instant::now() };
        let ours = over.filter(|lease| self.is_ours(lease)).and_then(|lease| lease.spec.as_ref());
        let spec = over.and_then(|lease| lease.spec.as_ref());
        let transitions = spec.and_then(|spec| spec.lease_transitions).unwrap_or_default();
        let mut lease = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": self.name,
                "namespace": self.namespace,
                "labels": { "app.kubernetes.io/managed-by": "mngup" },
                "annotations": {
                    "mngup.dev/group": self.group,
                    SESSION: self.session,
                    USER: self.operator.user,
                    HOST: self.operator.host,
                },
            },
            "spec": {
                "holderIdentity": self.identity,
                "leaseDurationSeconds": self.duration.as_secs(),
                "acquireTime": ours.and_then(|spec| spec.acquire_time.clone()).unwrap_or(MicroTime(now)),
                "renewTime": MicroTime(now),
                "leaseTransitions": if ours.is_some() || over.is_none() { transitions } else { transitions + 1 },
            },
        });
        let request = match over {
            Some(over) => {
                lease["metadata"]["resourceVersion"] = over.metadata.resource_version.clone().into();
                let body = lease.to_string().into_bytes();
                self.leases().replace(&self.name, &PostParams::default(), body)
            }
            None => self.leases().create(&PostParams::default(), lease.to_string().into_bytes()),
        };
        let verb = if over.is_some() { "update" } else { "create" };
        match fetch(&self.connection.client, request).await {
            Ok(written) => {
                *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = Some(sent);
                Ok(Some(written))
            }
            Err(failure) if failure.code() == Some(409) => Ok(None),
            // Gone between reading and writing. A namespace that is not there is a 404 to `create` and no such gap.
            Err(failure) if failure.code() == Some(404) && over.is_some() => Ok(None),
            Err(failure) => Err(self.failed(verb, failure)),
        }
    }

    /// Takes the Lease away, not only its holder: a run that is over leaves nothing behind.
    async fn delete(&self, mut held: coordination::Lease) -> Result<(), LockError> {
        loop {
            let metadata = held.metadata;
            let preconditions = Preconditions { uid: metadata.uid, resource_version: metadata.resource_version };
            let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
            match send(&self.connection.client, self.leases().delete(&self.name, &params)).await {
                Ok(_) => return Ok(()),
                Err(failure) if failure.code() == Some(404) => return Ok(()),
                Err(failure) if failure.code() == Some(409) => {}
                Err(failure) => return Err(self.failed("delete", failure)),
            }
            // A renewal that was under way when the run ended may have been written though nobody heard the answer.
            match self.get().await? {
                Some(lease) if self.is_ours(&lease) => held = lease,
                Some(_) | None => return Ok(()),
            }
        }
    }

    fn is_ours(&self, lease: &coordination::Lease) -> bool {
        holder(lease) == Some(&self.identity) && annotation(lease, SESSION) == Some(&self.session)
    }

    fn judge(&self, lease: &coordination::Lease, seen: &mut Option<(String, Instant)>) -> Verdict {
        let spec = lease.spec.clone().unwrap_or_default();
        let duration = duration_of(&spec);
        let (Some(_), Some(MicroTime(renewed))) = (holder(lease), spec.renew_time) else { return Verdict::Take };
        if self.is_ours(lease) {
            return Verdict::Take;
        }
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        let unchanged = match seen {
            Some((known, since)) if *known == version => since.elapsed(),
            Some(_) => {
                // It was renewed while we looked: the holder lives, whatever our clock says.
                *seen = Some((version, Instant::now()));
                return Verdict::Held(self.held(lease));
            }
            None => {
                *seen = Some((version, Instant::now()));
                Duration::ZERO
            }
        };
        let silent = elapsed(renewed, Timestamp::now());
        if unchanged >= duration || silent >= LONG_DEAD.max(duration) {
            Verdict::Take
        } else if silent > duration {
            Verdict::LookOn
        } else {
            Verdict::Held(self.held(lease))
        }
    }

    fn held(&self, lease: &coordination::Lease) -> LockError {
        let spec = lease.spec.clone().unwrap_or_default();
        let renewed = spec.renew_time.as_ref().map_or(Timestamp::UNIX_EPOCH, |MicroTime(at)| *at);
        let since = spec.acquire_time.as_ref().map_or(renewed, |MicroTime(at)| *at);
        let holder = holder(lease).unwrap_or_default();
        let (person, _) = holder.rsplit_once('/').unwrap_or((holder, ""));
        let (user, host) = person.rsplit_once('@').unwrap_or((person, "an unknown machine"));
        LockError::Held {
            lease: self.title(),
            holder: Operator {
                user: annotation(lease, USER).map_or_else(|| user.to_owned(), str::to_owned),
                host: annotation(lease, HOST).map_or_else(|| host.to_owned(), str::to_owned),
            },
            since,
            renewed,
            runs_out: later(renewed, duration_of(&spec)),
        }
    }

    /// Takes the Lease where that is right, and looks on where only time can tell.
    async fn take(&self, state: &mut State) -> Result<(), LockError> {
        loop {
            let lease = self.get().await?;
            let verdict = lease.as_ref().map_or(Verdict::Take, |lease| self.judge(lease, &mut state.seen));
            match verdict {
                Verdict::Held(error) => return Err(error),
                Verdict::LookOn => sleep(self.renew_every().min(Duration::from_secs(3))).await,
                Verdict::Take => {
                    if let Some(written) = self.write(lease.as_ref()).await? {
                        *state = State { held: Some(written), seen: None };
                        return Ok(());
                    }
                }
            }
        }
    }
}

fn annotation<'a>(lease: &'a coordination::Lease, key: &str) -> Option<&'a str> {
    lease.metadata.annotations.as_ref().and_then(|annotations| annotations.get(key)).map(String::as_str)
}

/// How long its holder may be silent.
fn duration_of(spec: &coordination::LeaseSpec) -> Duration {
    let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    seconds.map_or(DURATION, Duration::from_secs)
}

fn holder(lease: &coordination::Lease) -> Option<&str> {
    lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).filter(|holder| !holder.is_empty())
}

impl Lock for KubeLock {
    async fn acquire(&self) -> Result<(), LockError> {
        self.take(&mut *self.state.lock().await).await
    }

    async fn look(&self) -> Result<(), LockError> {
        let Some(lease) = self.get().await? else { return Ok(()) };
        match self.judge(&lease, &mut None) {
            Verdict::Held(error) => Err(error),
            Verdict::Take | Verdict::LookOn => Ok(()),
        }
    }

    async fn renew(&self) -> Result<(), LockError> {
        let mut state = self.state.lock().await;
        if let Some(held) = &state.held
            && let Some(written) = self.write(Some(held)).await?
        {
            state.held = Some(written);
            return Ok(());
        }
        // Our last answer was lost, somebody touched or deleted it, or it was taken: looking tells. Another holder is
        // no matter of patience here: it may act already.
        match self.get().await? {
            Some(lease) if self.is_ours(&lease) => {}
            Some(lease) if holder(&lease).is_some() => return Err(self.held(&lease)),
            // Whoever had it since gave it back, and may have undone our run.
            Some(_) | None if !self.is_held() => return Err(LockError::Lost { lease: self.title() }),
            Some(_) | None => {}
        }
        self.take(&mut state).await
    }

    fn is_held(&self) -> bool {
        // Not to the last moment: an act that is sent just before must arrive, too.
        let good = self.duration.mul_f64(5.0 / 6.0);
        let renewed = *self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        renewed.is_some_and(|at| elapsed(at.wall, Timestamp::now()) < good && at.steady.elapsed() < good)
    }

    async fn release(&self) {
        let mut state = self.state.lock().await;
        let Some(held) = state.held.take() else { return };
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if let Err(error) = self.delete(held).await {
            tracing::warn!(lease = self.title(), %error, "cannot give the lock back; it runs out");
        }
    }

    fn renew_every(&self) -> Duration {
        self.duration / 3
    }
}
