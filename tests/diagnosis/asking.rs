//! A run asks what its diagnosis wants to know, and waits for no answer.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::mpsc;

use mngup::{
    app::{Ports, Request, begin, prepare},
    domain::{
        Answer, Ask, Cause, Change, GroupName, InstanceId, IntOrPercent, Intent, Notice, Operator, RunId, Settings,
    },
    engine::event::{Event, RunOutcome},
    journal::MemoryJournal,
    ports::{Cluster, KubeAct, Outcome, PortError, Watch},
    report::JsonLines,
    sim::{
        Sim, SimCluster, World, WorldSpec,
        spec::{BudgetSpec, Trouble, TroubleKind, TroubleWith, WorkloadKind, WorkloadSpec},
    },
};

/// How a server takes questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answers {
    /// When others have had their turn.
    Later,
    /// Not at all.
    Never,
}

#[derive(Debug, Default)]
struct Counts {
    looks: AtomicUsize,
    open: AtomicUsize,
    most_at_once: AtomicUsize,
    tried: AtomicUsize,
}

/// A cluster that counts how often it is asked.
struct Asked {
    cluster: SimCluster,
    answers: Answers,
    counts: Arc<Counts>,
}

impl Cluster for Asked {
    fn anew(&self) -> Self {
        Self { cluster: self.cluster.anew(), answers: self.answers, counts: Arc::clone(&self.counts) }
    }

    async fn changes(&self) -> Result<Vec<Change>, PortError> {
        self.cluster.changes().await
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
        let Counts { looks, open, most_at_once, tried } = &*self.counts;
        looks.fetch_add(1, Ordering::SeqCst);
        most_at_once.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let tries = asks.iter().filter(|ask| matches!(ask, Ask::TryEviction(_))).count();
        tried.fetch_add(tries, Ordering::SeqCst);
        match self.answers {
            Answers::Never => std::future::pending().await,
            Answers::Later => {
                for _ in 0..50 {
                    tokio::task::yield_now().await;
                }
            }
        }
        open.fetch_sub(1, Ordering::SeqCst);
        self.cluster.look(asks).await
    }

    async fn announce(&self, notices: &[Notice]) {
        self.cluster.announce(notices).await;
    }

    async fn intent(&self) -> Result<Option<Intent>, PortError> {
        self.cluster.intent().await
    }
}

/// A run that a broken pod blocks, in a world whose server takes questions so: how it ended, and what it found.
async fn run(answers: Answers) -> (RunOutcome, BTreeSet<Cause>, Arc<Counts>) {
    let mut spec = WorldSpec::with_old_nodes(&[("a", 3)]);
    let budget = BudgetSpec { max_unavailable: Some(IntOrPercent::Int(1)), ..BudgetSpec::default() };
    let trouble = Trouble { kind: TroubleKind::CrashLoop, with: TroubleWith::New };
    let web = WorkloadSpec::new(WorkloadKind::Deployment, "web");
    spec.workloads = vec![WorkloadSpec { replicas: 4, budgets: vec![budget], trouble: Some(trouble), ..web }];
    let sim = Sim::new(World::new(spec, 1), 200.0);
    let operator = Operator { user: "ann".to_owned(), host: "laptop".to_owned() };
    let counts = Arc::<Counts>::default();
    let ports = Ports {
        cluster: Arc::new(Asked { cluster: sim.cluster(), answers, counts: Arc::clone(&counts) }),
        cloud: Arc::new(sim.cloud()),
        clock: Arc::new(sim.clock()),
        lock: Arc::new(sim.lock(operator.clone())),
    };
    let request = Request {
        cluster: "prod".into(),
        group: GroupName::Nodegroup("workers".into()),
        settings: Settings { drain_timeout: Some(Duration::from_mins(5)), ..Settings::default() },
        operator,
        run: RunId::new("r1"),
        version: "0.1.0".to_owned(),
    };
    let prepared = prepare(&ports, &request).await.unwrap();
    let (_leave, mut stop) = mpsc::channel(1);
    let begun = begin(&ports, &request, prepared, &mut stop).await.unwrap();
    let (mut nobody, mut journal) = (JsonLines(std::io::sink()), MemoryJournal::default());
    let outcome = Box::pin(begun.drive(&mut nobody, &mut journal, &mut stop)).await.unwrap();
    let found = journal.records.iter().filter_map(|record| {
        let Event::Diagnosed { diagnosis } = &record.event else { return None };
        Some(diagnosis.blocking().map(|finding| finding.cause))
    });
    (outcome, found.flatten().collect(), counts)
}

fn read(count: &AtomicUsize) -> usize {
    count.load(Ordering::SeqCst)
}

#[tokio::test]
async fn an_answer_that_never_comes_holds_nobody_up_and_is_not_asked_for_again() {
    let (outcome, found, counts) = run(Answers::Never).await;
    assert_eq!((outcome, read(&counts.looks)), (RunOutcome::EvictionFailed, 1));
    // What statuses tell was said all the same.
    assert!(found.contains(&Cause::PodCrashLoop), "{found:?}");
}

#[tokio::test]
async fn one_round_of_questions_is_under_way_at_a_time_and_no_eviction_is_tried() {
    let (outcome, found, counts) = run(Answers::Later).await;
    assert_eq!(outcome, RunOutcome::EvictionFailed);
    assert!(found.contains(&Cause::PodCrashLoop), "{found:?}");
    assert!(read(&counts.looks) > 1, "{counts:?}");
    assert_eq!((read(&counts.most_at_once), read(&counts.tried)), (1, 0));
}
