//! What the shell needs of the outside: traits only, spoken in the words of `domain` and of the engine's effects.

use std::{collections::BTreeSet, future::Future, time::Duration};

use jiff::Timestamp;
use thiserror::Error;

use crate::domain::{Answer, Ask, Change, Group, InstanceId, Intent, Notice, Operator};
pub use crate::engine::{
    effect::{CloudAct, Effect, EffectKey, KubeAct, Outcome, Refusal, Step, Watch},
    event::{Event, Record},
};

/// The Kubernetes side of one group.
pub trait Cluster: Send + Sync + 'static {
    /// Another view of the same cluster, which has seen nothing yet: after a time in which nothing could be heard, what
    /// this one saw may be old.
    #[must_use]
    fn anew(&self) -> Self;

    /// Waits until something was seen and returns all of it; the first calls bring the lists.
    ///
    /// # Errors
    /// When watching cannot go on: no rights, credentials that ran out. Lost connections are mended inside.
    fn changes(&self) -> impl Future<Output = Result<Vec<Change>, PortError>> + Send;

    /// Says which pods matter from now on; what is no longer wanted ends with `Change::PodsUnwatched`.
    fn watch(&self, watch: &Watch);

    /// Acts. Never retries a refusal by itself; `Outcome::Unknown` when no answer came.
    fn act(&self, act: &KubeAct) -> impl Future<Output = Outcome> + Send;

    /// Looks through *all* nodes of the cluster and says which of these instances have none; rare, for it costs what
    /// the cluster holds. Only such an instance may be terminated without a drain.
    ///
    /// # Errors
    /// When the nodes cannot be listed.
    fn without_node(
        &self,
        instances: &BTreeSet<InstanceId>,
    ) -> impl Future<Output = Result<BTreeSet<InstanceId>, PortError>> + Send;

    /// Reads what a diagnosis asks. Never fails: what cannot be had is an answer.
    fn look(&self, asks: &BTreeSet<Ask>) -> impl Future<Output = Vec<Answer>> + Send;

    /// Says on objects of the cluster what holds an upgrade, where people look for it. Best effort: nothing waits for it,
    /// and nobody is told when it does not work.
    fn announce(&self, notices: &[Notice]) -> impl Future<Output = ()> + Send;

    /// Reads the intent of an earlier run of this group.
    ///
    /// # Errors
    /// When it cannot be read, or was written by a newer mngup.
    fn intent(&self) -> impl Future<Output = Result<Option<Intent>, PortError>> + Send;
}

/// The AWS side of one group.
pub trait Cloud: Send + Sync + 'static {
    /// Reads the group, and its scaling activities too where they are asked for.
    ///
    /// # Errors
    /// When it cannot be read; throttling has been retried inside.
    fn read(&self, activities: bool) -> impl Future<Output = Result<Group, PortError>> + Send;

    /// Reads what a diagnosis asks. Never fails: what cannot be had is an answer.
    fn look(&self, asks: &BTreeSet<Ask>) -> impl Future<Output = Vec<Answer>> + Send;

    /// Acts. Throttling is retried inside; `Outcome::Unknown` when no answer came.
    fn act(&self, act: &CloudAct) -> impl Future<Output = Outcome> + Send;
}

/// Time: the wall's, or the simulated world's.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;

    /// Waits for that moment.
    fn sleep_until(&self, moment: Timestamp) -> impl Future<Output = ()> + Send;
}

/// Where events are written for later reports; never needed to go on.
pub trait Journal: Send {
    /// Writes one record, durably.
    ///
    /// # Errors
    /// When the file cannot be written.
    fn record(&mut self, record: &Record) -> std::io::Result<()>;
}

/// One run a group.
pub trait Lock: Send + Sync + 'static {
    /// Takes the lock, or says who has it. A holder that has not renewed for its duration is dead.
    ///
    /// # Errors
    /// [`LockError::Held`], or whatever kept us from asking.
    fn acquire(&self) -> impl Future<Output = Result<(), LockError>> + Send;

    /// Says who has it, if somebody else surely does; takes nothing and writes nothing.
    ///
    /// # Errors
    /// As [`Lock::acquire`]; a holder that may be dead is none.
    fn look(&self) -> impl Future<Output = Result<(), LockError>> + Send;

    /// Renews it; to be called well within [`Lock::renew_every`].
    ///
    /// # Errors
    /// [`LockError::Held`] or [`LockError::Lost`] when somebody else took it meanwhile: stop acting at once.
    fn renew(&self) -> impl Future<Output = Result<(), LockError>> + Send;

    /// Whether nobody else can have taken it by now. While that is not so (it could not be renewed for a while, or this
    /// machine slept), nothing may be done; a renewal that succeeds makes it so again.
    fn is_held(&self) -> bool;

    /// Gives it back.
    fn release(&self) -> impl Future<Output = ()> + Send;

    /// How often to renew.
    fn renew_every(&self) -> Duration;
}

/// Why a lock was not had.
#[derive(Clone, Debug, Error)]
pub enum LockError {
    /// Somebody else works on this group.
    #[error("{lease} is held by {} on {} since {since}, renewed {renewed}", holder.user, holder.host)]
    Held {
        /// `lease/namespace/name`
        lease: String,
        /// Who.
        holder: Operator,
        /// Since when.
        since: Timestamp,
        /// When they last said so.
        renewed: Timestamp,
        /// When it runs out, should they not say so again.
        runs_out: Timestamp,
    },
    /// It was ours and could not be renewed in time; somebody else has had it since.
    #[error("{lease} ran out while it could not be renewed, and another run has had it since")]
    Lost {
        /// `lease/namespace/name`
        lease: String,
    },
    /// It could not be asked for.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// Why the outside could not be read, sorted by what the user does about it.
#[derive(Clone, Debug, Error)]
pub enum PortError {
    /// A right is missing.
    #[error("no right to {what}: {message}")]
    Forbidden {
        /// Verb and resource, or the AWS action.
        what: String,
        /// What the server said.
        message: String,
    },
    /// Credentials are missing, wrong or ran out.
    #[error("{message}")]
    Credentials {
        /// What is wrong with them.
        message: String,
    },
    /// The object does not exist.
    #[error("{what} does not exist")]
    NotFound {
        /// Kind and name.
        what: String,
        /// Names that do exist.
        others: Vec<String>,
    },
    /// The server does not answer.
    #[error("{server} does not answer: {message}")]
    Unreachable {
        /// Which.
        server: String,
        /// What happened instead.
        message: String,
    },
    /// What was read makes no sense, or comes from a newer mngup.
    #[error("{what}: {message}")]
    Malformed {
        /// Which object.
        what: String,
        /// What is wrong with it.
        message: String,
    },
    /// Anything else.
    #[error("{message}")]
    Other {
        /// What was said.
        message: String,
    },
}
