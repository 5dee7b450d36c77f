//! A run that is refused, what may not be seen, and who takes the lock meanwhile.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use insta::assert_snapshot;
use jiff::tz::TimeZone;

use super::*;
use crate::{
    cli::{Consent, Where, World},
    domain::{
        Answer, Ask, Change, Group, GroupName, InstanceId, Intent, NodegroupStatus, Notice, Operator, RunId, Settings,
    },
    engine::effect::{CloudAct, Outcome},
    ports::{KubeAct, LockError, PortError, Watch},
    sim::{Sim, SimClock, SimCloud, SimCluster, SimLock, World as SimWorld, WorldSpec},
};

const NOWHERE: Screen = Screen {
    stdout_terminal: false,
    stderr_terminal: false,
    bars: false,
    color_stdout: false,
    color_stderr: false,
    zone: TimeZone::UTC,
};

fn ann() -> Operator {
    Operator { user: "ann".to_owned(), host: "laptop".to_owned() }
}

fn sim() -> Sim {
    Sim::new(SimWorld::new(WorldSpec::with_old_nodes(&[("a", 2)]), 1), 1.0)
}

fn ports<A: Cloud, L: Lock>(sim: &Sim, cloud: A, lock: L) -> Ports<SimCluster, A, SimClock, L> {
    Ports {
        cluster: Arc::new(sim.cluster()),
        cloud: Arc::new(cloud),
        clock: Arc::new(sim.clock()),
        lock: Arc::new(lock),
    }
}

fn asked() -> app::Request {
    app::Request {
        cluster: "prod".into(),
        group: GroupName::Nodegroup("workers".into()),
        settings: Settings::default(),
        operator: ann(),
        run: RunId::new("r1"),
        version: "0.1.0".to_owned(),
    }
}

/// Why no run begins here that is to write this journal.
async fn why_not<C: Cluster, A: Cloud, K: Clock, L: Lock>(ports: &Ports<C, A, K, L>, journal: &Path) -> CliError {
    let request = UpgradeRequest {
        place: Where::Sandbox { world: World::Embedded, speed: 1.0 },
        settings: Settings::default(),
        lease: Duration::from_secs(30),
        dry_run: false,
        consent: Consent::Given,
        output: Form::Human,
        journal: Some(journal.to_owned()),
        commands: Commands::new(["-c", "prod", "-n", "workers"].map(str::to_owned).into()),
    };
    Box::pin(go(ports, &request, asked(), &NOWHERE)).await.unwrap_err()
}

/// A lock that somebody else takes after it was looked at.
struct TakenMeanwhile {
    ours: SimLock,
    theirs: SimLock,
}

impl Lock for TakenMeanwhile {
    async fn acquire(&self) -> Result<(), LockError> {
        self.theirs.acquire().await?;
        self.ours.acquire().await
    }

    async fn look(&self) -> Result<(), LockError> {
        self.ours.look().await
    }

    async fn renew(&self) -> Result<(), LockError> {
        self.ours.renew().await
    }

    fn is_held(&self) -> bool {
        self.ours.is_held()
    }

    async fn release(&self) {
        self.ours.release().await;
    }

    fn renew_every(&self) -> Duration {
        self.ours.renew_every()
    }
}

#[tokio::test]
async fn a_run_that_is_refused_for_the_lock_leaves_no_journal() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("below/run.jsonl");
    let sim = sim();
    let lock = TakenMeanwhile { ours: sim.lock(ann()), theirs: sim.lock(ann()) };
    let error = why_not(&ports(&sim, sim.cloud(), lock), &journal).await;
    assert_eq!(error.code(), ExitCode::Locked);
    assert!(!journal.parent().unwrap().exists());
}

/// A cluster of which something may not be seen.
struct HalfSeen {
    cluster: SimCluster,
    told: AtomicBool,
}

impl Cluster for HalfSeen {
    fn anew(&self) -> Self {
        Self { cluster: self.cluster.anew(), told: AtomicBool::new(false) }
    }

    async fn changes(&self) -> Result<Vec<Change>, PortError> {
        let mut changes = self.cluster.changes().await?;
        if !self.told.swap(true, Ordering::Relaxed) {
            changes.insert(0, Change::Unseen("no right to list persistentvolumes".to_owned()));
        }
        Ok(changes)
    }

    fn watch(&self, watch: &Watch) {
        self.cluster.watch(watch);
    }

    async fn act(&self, act: &KubeAct) -> Outcome {
        self.cluster.act(act).await
    }

    async fn without_node(&self, instances: &BTreeSet<InstanceId>) -> Result<BTreeSet<InstanceId>, PortError> {
        self.cluster.without_node(instances).await
    }

    async fn look(&self, asks: &BTreeSet<Ask>) -> Vec<Answer> {
        self.cluster.look(asks).await
    }

    async fn announce(&self, notices: &[Notice]) {
        self.cluster.announce(notices).await;
    }

    async fn intent(&self) -> Result<Option<Intent>, PortError> {
        self.cluster.intent().await
    }
}

#[tokio::test]
async fn what_may_not_be_seen_is_in_the_plan_and_a_warning_of_the_run() {
    let sim = sim();
    let cluster = HalfSeen { cluster: sim.cluster(), told: AtomicBool::new(false) };
    let ports = Ports {
        cluster: Arc::new(cluster),
        cloud: Arc::new(sim.cloud()),
        clock: Arc::new(sim.clock()),
        lock: Arc::new(sim.lock(ann())),
    };
    let asked = asked();
    let mut prepared = app::prepare(&ports, &asked).await.unwrap();
    let foreseen = app::foresee(&ports, &mut prepared).await.unwrap();
    let commands = Commands::new(Vec::new());
    let plan = app::brief(&prepared, foreseen, &asked, &commands, ports.clock.now()).lines(usize::MAX);
    assert!(plan.contains(&"no right to list persistentvolumes".to_owned()), "{plan:?}");

    let (leave, mut stop) = tokio::sync::mpsc::channel(1);
    let begun = app::begin(&ports, &asked, prepared, &mut stop).await.unwrap();
    leave.send(app::Stop::Now).await.unwrap();
    let mut journal = crate::journal::MemoryJournal::default();
    let mut nobody = crate::report::JsonLines(std::io::sink());
    drop(Box::pin(begun.drive(&mut nobody, &mut journal, &mut stop)).await);
    let first = &journal.records[0].event;
    assert!(matches!(first, Event::Warning { message } if message.contains("persistentvolumes")), "{first:?}");
}

/// A group that EKS begins to update once it was looked at.
struct UpdatingSoon {
    cloud: SimCloud,
    looked: AtomicBool,
}

impl Cloud for UpdatingSoon {
    async fn read(&self, activities: bool) -> Result<Group, PortError> {
        let mut group = self.cloud.read(activities).await?;
        if let Some(nodegroup) = &mut group.nodegroup
            && self.looked.swap(true, Ordering::Relaxed)
        {
            nodegroup.status = NodegroupStatus::Updating;
        }
        Ok(group)
    }

    async fn look(&self, asks: &BTreeSet<Ask>) -> Vec<Answer> {
        self.cloud.look(asks).await
    }

    async fn act(&self, act: &CloudAct) -> Outcome {
        self.cloud.act(act).await
    }
}

#[tokio::test]
async fn what_comes_up_between_the_plan_and_the_lock_refuses_the_run_and_gives_the_lock_back() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("run.jsonl");
    let sim = sim();
    let cloud = UpdatingSoon { cloud: sim.cloud(), looked: AtomicBool::new(false) };
    let error = why_not(&ports(&sim, cloud, sim.lock(ann())), &journal).await;
    assert_eq!(error.code(), ExitCode::Refused);
    assert_snapshot!(error, @"
    error: nodegroup/workers: EKS is updating this node group itself (status UPDATING)
      Next: aws eks list-updates --name prod --nodegroup-name workers   # wait until EKS is done with what this shows
      then: mngup upgrade -c prod -n workers
    ");
    assert!(!journal.exists());
    sim.lock(ann()).acquire().await.unwrap();
}
