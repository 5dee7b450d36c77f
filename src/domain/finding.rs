//! What a diagnosis says: causes, how they are known, whom they hold, and what can be done.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Cause, InstanceId, Known, Lack, NodeName, Object, PodRef, plain};

/// One cause at one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Which.
    pub cause: Cause,
    /// Where.
    pub object: Object,
    /// It in a sentence.
    pub says: String,
    /// How much it matters.
    pub grade: Grade,
    /// How sure it is.
    pub sure: Sure,
    /// By what it is known.
    pub evidence: Vec<Proof>,
    /// Since when, where that is known.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// What can be done, the least drastic first.
    pub remedies: Vec<Remedy>,
    /// Whom it holds.
    pub holds: Held,
    /// Symptoms of it.
    #[serde(default)]
    pub under: Vec<Finding>,
    /// What lies below it and holds nothing else.
    #[serde(default)]
    pub because: Vec<Finding>,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// Somebody must act, or it stays so.
    Blocks,
    /// It takes its time and goes by.
    Waits,
    /// Worth knowing.
    Notes,
}

/// How sure a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sure {
    /// What is seen leaves no other reading.
    Certain,
    /// What is seen usually means this.
    Likely,
    /// It may be this.
    Possible,
}

/// Something that a finding is known by. It never says how long ago: else each second would be news.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Where it comes from.
    pub by: By,
    /// It.
    pub says: String,
}

/// Where evidence comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// An object's status.
    Status,
    /// What an object asks for.
    Spec,
    /// Numbers of it, reckoned.
    Arithmetic,
    /// What was seen to happen, or tried.
    Seen,
    /// An Event about an object.
    Event,
    /// What the server answered to an eviction.
    Refusal,
    /// A scaling activity of the group.
    Activity,
    /// An update that EKS keeps, or what EKS says of the node group's health.
    Eks,
    /// Something is not there that should be.
    Absence,
    /// Something that could not be read would tell more.
    Unread,
}

impl By {
    /// As it stands behind what it says.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Spec => "spec",
            Self::Arithmetic => "arithmetic",
            Self::Seen => "seen",
            Self::Event => "event",
            Self::Refusal => "the server's refusal",
            Self::Activity => "scaling activity",
            Self::Eks => "EKS",
            Self::Absence => "not there",
            Self::Unread => "not read",
        }
    }
}

/// Whom a finding holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Nodes that cannot be emptied.
    pub nodes: BTreeSet<NodeName>,
    /// Pods that do not leave them.
    pub pods: BTreeSet<PodRef>,
    /// Instances that do not become nodes, or do not go.
    #[serde(default)]
    pub instances: BTreeSet<InstanceId>,
    /// The group as a whole.
    #[serde(default)]
    pub group: Option<Lacking>,
}

/// What a group lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lacking {
    /// Nodes that it should have and has not.
    pub missing: u32,
    /// Nodes that it should have.
    pub of: u32,
}

impl Held {
    /// Whether nobody is held by name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { nodes, pods, instances, group: _ } = self;
        nodes.is_empty() && pods.is_empty() && instances.is_empty()
    }
}

/// One way out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remedy {
    /// What it does.
    pub what: String,
    /// Whether it changes anything.
    pub kind: RemedyKind,
    /// The commands; those of a [`RemedyKind::Fix`] one after the other, each only if the one before ended well.
    pub run: Vec<Command>,
    /// Commands that take them back, once the pods have moved.
    #[serde(default)]
    pub back: Vec<Command>,
    /// What it risks; empty where it risks nothing.
    #[serde(default)]
    pub risk: String,
}

/// What a remedy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RemedyKind {
    /// It shows more.
    Look,
    /// It clears the cause away.
    Fix,
    /// Nothing has to be done.
    Wait,
}

/// A command, without what says where the cluster is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// `kubectl …`
    Kubectl(String),
    /// `mngup upgrade` of the same group, with these flags.
    Upgrade(String),
    /// `aws …`, without region and profile.
    Aws(String),
}

/// A cause that nobody can tell whether it is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CannotTell {
    /// Which.
    pub cause: Cause,
    /// Where.
    pub object: Object,
    /// What is not known.
    pub lacking: Lack,
}

/// What was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// The nodes that a run is emptying.
    Run,
    /// The group: its nodes that are cordoned.
    Group,
    /// These nodes, as if they were to be emptied.
    Nodes(BTreeSet<NodeName>),
    /// This pod, as if it were to leave.
    Pod(PodRef),
    /// All nodes that an upgrade would replace, as if they were to be emptied.
    BeforeUpgrade,
    /// An update of the managed node group by its id: the nodes that its errors name, or the group.
    Update(String),
}

/// One line of the tree from what waits down to what it waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Branch {
    /// What.
    pub object: Object,
    /// What was found there.
    pub causes: Vec<Cause>,
    /// What it waits for.
    pub below: Vec<Branch>,
    /// More of the same that are not shown.
    pub more: usize,
    /// It was told further up, and what is below it too.
    pub seen_above: bool,
}

/// Why things do not move, or that nothing stands in the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// Of when.
    pub at: Timestamp,
    /// Of what.
    pub subject: Subject,
    /// Causes, roots first and the worst of them first.
    pub findings: Vec<Finding>,
    /// What could not be told.
    #[serde(default)]
    pub unknown: Vec<CannotTell>,
    /// From what waits to what it waits for.
    #[serde(default)]
    pub tree: Vec<Branch>,
}

impl Diagnosis {
    /// Findings that somebody must act on.
    pub fn blocking(&self) -> impl Iterator<Item = &Finding> {
        self.of_grade(Grade::Blocks)
    }

    /// Findings of this grade.
    pub fn of_grade(&self, grade: Grade) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.grade == grade)
    }

    /// Whether it says the same as another: what ticks, such as a count of restarts, is no news; a way out or evidence
    /// that was not known before is.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        are_told_by(&self.findings, &other.findings)
    }

    /// What is found at this object itself, be it a root or a symptom of one.
    #[must_use]
    pub fn at(&self, object: &Object) -> Option<&Finding> {
        let folded = || self.findings.iter().flat_map(|root| root.under.iter().chain(&root.because));
        self.findings
            .iter()
            .find(|finding| finding.object == *object)
            .or_else(|| folded().find(|finding| finding.object == *object))
    }

    /// The roots that what is found at this object goes back to; itself where it is one.
    pub fn roots_of<'a>(&'a self, object: &'a Object) -> impl Iterator<Item = &'a Finding> {
        self.findings
            .iter()
            .filter(move |root| root.object == *object || root.under.iter().any(|symptom| symptom.object == *object))
    }
}

fn are_told_by(these: &[Finding], those: &[Finding]) -> bool {
    these.len() == those.len() && these.iter().zip(those).all(|(one, other)| one.is_told_by(other))
}

impl Finding {
    /// A finding that holds nobody yet: a ranking fills that in.
    #[must_use]
    pub fn new(cause: Cause, object: Object, says: impl Into<String>) -> Self {
        Self {
            cause,
            object,
            says: plain(&says.into()).into_owned(),
            grade: Grade::Blocks,
            sure: Sure::Certain,
            evidence: Vec::new(),
            since: None,
            remedies: Vec::new(),
            holds: Held::default(),
            under: Vec::new(),
            because: Vec::new(),
        }
    }

    /// Whether another says all that is news about this.
    fn is_told_by(&self, other: &Self) -> bool {
        let known_by = |finding: &Self| finding.evidence.iter().map(|proof| proof.by).collect::<Vec<_>>();
        let cause = (self.cause, self.grade, self.sure) == (other.cause, other.grade, other.sure);
        cause
            && self.object == other.object
            && (&self.holds.nodes, &self.holds.instances) == (&other.holds.nodes, &other.holds.instances)
            && are_told_by(&self.because, &other.because)
            && self.remedies == other.remedies
            && known_by(self) == known_by(other)
    }

    /// The same, of this grade.
    #[must_use]
    pub fn graded(self, grade: Grade) -> Self {
        Self { grade, ..self }
    }

    /// The same, so sure.
    #[must_use]
    pub fn sure(self, sure: Sure) -> Self {
        Self { sure, ..self }
    }

    /// The same, known by this too.
    #[must_use]
    pub fn by(mut self, by: By, says: impl Into<String>) -> Self {
        self.evidence.push(Proof { by, says: plain(&says.into()).into_owned() });
        self
    }

    /// The same, and what of it cannot be told where this could not be read; an answer that is still under way is none.
    #[must_use]
    pub fn cannot_tell<T>(self, what: &str, read: &Known<T>) -> Self {
        match read.lacking() {
            Some(lack) => self.by(By::Unread, format!("cannot tell {what}: {lack}")),
            None => self,
        }
    }

    /// The same, since then.
    #[must_use]
    pub fn since(self, since: Option<Timestamp>) -> Self {
        Self { since, ..self }
    }

    /// The same, with these ways out.
    #[must_use]
    pub fn remedies(self, remedies: Vec<Remedy>) -> Self {
        Self { remedies, ..self }
    }
}

impl Remedy {
    /// Shows more.
    #[must_use]
    pub fn look(what: impl Into<String>, run: Vec<Command>) -> Self {
        Self { what: what.into(), kind: RemedyKind::Look, run, back: Vec::new(), risk: String::new() }
    }

    /// Clears it away.
    #[must_use]
    pub fn fix(what: impl Into<String>, run: Vec<Command>, risk: impl Into<String>) -> Self {
        Self { what: what.into(), kind: RemedyKind::Fix, run, back: Vec::new(), risk: risk.into() }
    }

    /// Nothing has to be done.
    #[must_use]
    pub fn wait(what: impl Into<String>) -> Self {
        Self { what: what.into(), kind: RemedyKind::Wait, run: Vec::new(), back: Vec::new(), risk: String::new() }
    }

    /// The same, taken back by these.
    #[must_use]
    pub fn back(self, back: Vec<Command>) -> Self {
        Self { back, ..self }
    }
}
