//! A diagnosis on the screen, and in a ticket: each cause with whom it holds, how it is known, and the ways out.

use std::collections::BTreeSet;

use super::{commands::Commands, fit, names::Names, remedy::Step, wording};
use crate::domain::{Branch, Command, Diagnosis, Finding, Grade, Object, Proof, Remedy, RemedyKind, Subject};

/// Tells findings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Findings<'a> {
    /// How to say node names.
    pub(super) names: &'a Names,
    /// How to reach the group again.
    pub(super) commands: &'a Commands,
    /// Sentences are broken to fit it; whole where they go to a file that somebody searches.
    pub(super) width: Option<usize>,
}

/// What a row's head takes.
const ROW: usize = 9;

/// So many pods are enough to see whom it is about; the rest is counted.
const NAMED: usize = 5;

impl Findings<'_> {
    /// One finding with all that belongs to it. `before` is what has to be so before kubectl reaches the cluster.
    pub(super) fn block(&self, finding: &Finding, held: Vec<String>, before: &[Step]) -> Vec<String> {
        let mut rows = Rows { lines: self.hung(&format!("{}  {}", finding.cause, self.names.shorten(&finding.says))) };
        rows.add("holds", held);
        let evidence = finding.evidence.iter().map(|proof| self.proof(proof));
        let below = finding.because.iter().map(|below| self.in_short(below));
        rows.add("why", evidence.chain(below).flat_map(|text| self.fitted(&text)).collect());
        rows.add("so", finding.under.iter().flat_map(|symptom| self.fitted(&self.in_short(symptom))).collect());
        let mut before = Some(before);
        let mut fixes = 0;
        for remedy in &finding.remedies {
            let head = match remedy.kind {
                RemedyKind::Wait => "wait",
                RemedyKind::Look => "look",
                RemedyKind::Fix if fixes == 0 => "fix",
                RemedyKind::Fix => "or",
            };
            fixes += usize::from(remedy.kind == RemedyKind::Fix);
            let first = before.take_if(|_| remedy.needs_kubectl()).unwrap_or_default();
            let first = first.iter().flat_map(|step| step.pasted(self.room()));
            rows.add(head, first.chain(self.remedy(remedy)).collect());
            rows.add("back", self.back(remedy));
        }
        rows.add("more", vec![format!("mngup explain {}", finding.cause)]);
        rows.lines
    }

    /// Whom it holds: pods, each with its node.
    fn held(&self, finding: &Finding) -> Vec<String> {
        let holds = &finding.holds;
        if holds.nodes.is_empty() && holds.pods.is_empty() {
            return Vec::new();
        }
        let count = |count: usize, noun: &str| wording::count(u32::try_from(count).unwrap_or(u32::MAX), noun);
        let nodes: Vec<_> = holds.nodes.iter().map(|node| self.names.short(node).to_owned()).collect();
        let mut pods: Vec<_> = holds.pods.iter().take(NAMED).map(ToString::to_string).collect();
        if holds.pods.len() > NAMED {
            pods.push(format!("{} more", holds.pods.len() - NAMED));
        }
        let more = if nodes.len() > NAMED { format!(" and {} more", nodes.len() - NAMED) } else { String::new() };
        let on = format!(" on {}{more}", nodes.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", "));
        let on = if nodes.is_empty() { String::new() } else { on };
        self.fitted(&format!("{}{on}: {}", count(holds.pods.len(), "pod"), pods.join(", ")))
    }

    fn proof(&self, proof: &Proof) -> String {
        format!("{} ({})", self.names.shorten(&proof.says), proof.by.words())
    }

    /// `PDB-EXHAUSTED pdb/shop/cart: 1 of 3 may be out and 1 is: cart-2`
    fn in_short(&self, finding: &Finding) -> String {
        let why = finding.evidence.first().map_or(finding.says.as_str(), |proof| proof.says.as_str());
        format!("{} {}: {}", finding.cause, finding.object, self.names.shorten(why))
    }

    /// The commands of a remedy under what they do and risk, so that all of it can be pasted.
    fn remedy(&self, remedy: &Remedy) -> Vec<String> {
        let words = match remedy.risk.as_str() {
            "" => remedy.what.clone(),
            risk => format!("{}; risk: {risk}", remedy.what),
        };
        Step::Say(words).pasted(self.room()).into_iter().chain(self.commands_of(&remedy.run)).collect()
    }

    /// What takes it back, and when: pasted with the rest at once it would put the block back.
    fn back(&self, remedy: &Remedy) -> Vec<String> {
        let when = (!remedy.back.is_empty()).then(|| "# puts it back, once the pods have moved:".to_owned());
        when.into_iter().chain(self.commands_of(&remedy.back)).collect()
    }

    fn commands_of(&self, commands: &[Command]) -> Vec<String> {
        commands.iter().map(|command| self.command(command)).collect()
    }

    fn command(&self, command: &Command) -> String {
        match command {
            Command::Kubectl(rest) => self.commands.kubectl(rest),
            Command::Upgrade(flags) => self.commands.begin(flags),
            Command::Aws(rest) => self.commands.aws(rest),
        }
    }

    fn room(&self) -> usize {
        self.width.map_or(usize::MAX, |width| width.saturating_sub(ROW))
    }

    fn fitted(&self, text: &str) -> Vec<String> {
        match self.width {
            Some(_) => fit::wrap(text, self.room(), usize::MAX),
            None => vec![text.to_owned()],
        }
    }

    fn hung(&self, text: &str) -> Vec<String> {
        self.width.map_or_else(|| vec![text.to_owned()], |width| fit::hang(text, width))
    }
}

/// Lines under a headline, each group of them with its head.
struct Rows {
    lines: Vec<String>,
}

impl Rows {
    fn add(&mut self, head: &str, texts: Vec<String>) {
        for (index, text) in texts.into_iter().enumerate() {
            self.lines.push(format!("  {:<6} {text}", if index == 0 { head } else { "" }));
        }
    }
}

impl Remedy {
    fn needs_kubectl(&self) -> bool {
        self.run.iter().any(|command| matches!(command, Command::Kubectl(_)))
    }
}

/// A diagnosis as a screen: roots first, then what takes its time, what is worth knowing, and what cannot be told.
#[must_use]
pub fn screen(diagnosis: &Diagnosis, group: &str, commands: &Commands, width: Option<usize>) -> Vec<String> {
    let names = names_of(diagnosis);
    let findings = Findings { names: &names, commands, width };
    let mut lines = findings.hung(&headline(diagnosis, group));
    let mut before = commands.before(&[Step::Run("kubectl ".to_owned())]);
    for finding in diagnosis.blocking() {
        lines.push(String::new());
        lines.extend(findings.block(finding, findings.held(finding), &before));
        if finding.remedies.iter().any(Remedy::needs_kubectl) {
            before.clear();
        }
    }
    let mut also = Vec::new();
    for (grade, head) in [(Grade::Waits, "takes its time"), (Grade::Notes, "good to know")] {
        let told = diagnosis.of_grade(grade);
        also.extend(told.map(|finding| format!("{head}: {}", findings.in_short(finding))));
    }
    also.extend(
        diagnosis
            .unknown
            .iter()
            .map(|unknown| format!("cannot tell: {} {}: {}", unknown.cause, unknown.object, unknown.lacking)),
    );
    if !also.is_empty() {
        lines.push(String::new());
        lines.extend(also.iter().flat_map(|line| findings.hung(line)));
    }
    if matches!(diagnosis.subject, Subject::Nodes(_) | Subject::Pod(_)) && !diagnosis.tree.is_empty() {
        lines.push(String::new());
        lines.extend(diagnosis.tree.iter().flat_map(|branch| twig(branch, &names, 0)));
    }
    lines
}

/// A diagnosis as Markdown, for a ticket: nothing is broken to a width, commands stand in fences.
#[must_use]
pub fn markdown(diagnosis: &Diagnosis, group: &str, commands: &Commands) -> String {
    let names = names_of(diagnosis);
    let findings = Findings { names: &names, commands, width: None };
    let mut lines = vec![format!("# {}", headline(diagnosis, group)), String::new()];
    for finding in diagnosis.blocking() {
        lines.push(format!("## {}: {}", finding.cause, names.shorten(&finding.says)));
        lines.push(String::new());
        lines.extend(findings.held(finding).into_iter().map(|held| format!("- holds {held}")));
        lines.extend(finding.evidence.iter().map(|proof| format!("- {}", findings.proof(proof))));
        let related = finding.because.iter().chain(&finding.under);
        lines.extend(related.map(|related| format!("- {}", findings.in_short(related))));
        for remedy in &finding.remedies {
            lines.extend([String::new(), "```sh".to_owned()]);
            lines.extend(findings.remedy(remedy));
            lines.extend(findings.back(remedy));
            lines.push("```".to_owned());
        }
        lines.push(String::new());
    }
    let rest = diagnosis.findings.iter().filter(|finding| finding.grade != Grade::Blocks);
    lines.extend(rest.map(|finding| format!("- {}", findings.in_short(finding))));
    let unknown = diagnosis.unknown.iter();
    lines.extend(unknown.map(|lack| format!("- cannot tell {} of {}: {}", lack.cause, lack.object, lack.lacking)));
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines.join("\n") + "\n"
}

/// `nodegroup/apps: 2 causes hold 3 nodes and 7 pods`
fn headline(diagnosis: &Diagnosis, group: &str) -> String {
    let count = |count: usize, noun: &str| wording::count(u32::try_from(count).unwrap_or(u32::MAX), noun);
    let of = match &diagnosis.subject {
        Subject::Run | Subject::Group | Subject::BeforeUpgrade => group.to_owned(),
        Subject::Nodes(nodes) => nodes.iter().map(|node| format!("node/{node}")).collect::<Vec<_>>().join(", "),
        Subject::Pod(pod) => pod.to_string(),
        Subject::Update(id) => format!("{group}, update {id}"),
    };
    let causes = diagnosis.blocking().count();
    if causes == 0 {
        return match diagnosis.subject {
            Subject::BeforeUpgrade => format!("{of}: nothing that can be seen now would stand in an upgrade's way"),
            Subject::Group => format!("{of}: nothing stands in the way on its cordoned nodes"),
            Subject::Run | Subject::Nodes(_) | Subject::Pod(_) | Subject::Update(_) => {
                format!("{of}: nothing stands in the way")
            }
        };
    }
    let nodes: BTreeSet<_> = diagnosis.blocking().flat_map(|finding| &finding.holds.nodes).collect();
    let pods: BTreeSet<_> = diagnosis.blocking().flat_map(|finding| &finding.holds.pods).collect();
    if nodes.is_empty() && pods.is_empty() {
        // What is wrong with the group itself holds no node by name.
        return match diagnosis.subject {
            Subject::BeforeUpgrade => format!("{of}: {} would stand in an upgrade's way", count(causes, "cause")),
            Subject::Run | Subject::Group | Subject::Nodes(_) | Subject::Pod(_) | Subject::Update(_) => {
                format!("{of}: {} found", count(causes, "cause"))
            }
        };
    }
    let verb = match (&diagnosis.subject, causes) {
        (Subject::BeforeUpgrade, _) => "would hold",
        (_, 1) => "holds",
        (_, _) => "hold",
    };
    format!("{of}: {} {verb} {} and {}", count(causes, "cause"), count(nodes.len(), "node"), count(pods.len(), "pod"))
}

/// The names of all nodes that it speaks of.
fn names_of(diagnosis: &Diagnosis) -> Names {
    let mut names = Names::default();
    for node in diagnosis.findings.iter().flat_map(|finding| &finding.holds.nodes) {
        names.learn(node);
    }
    for branch in &diagnosis.tree {
        if let Object::Node(node) = &branch.object {
            names.learn(node);
        }
    }
    names
}

/// A branch of the tree and all below it.
fn twig(branch: &Branch, names: &Names, depth: usize) -> Vec<String> {
    let indent = "  ".repeat(depth);
    let causes = branch.causes.iter().map(|cause| format!("  {cause}")).collect::<Vec<_>>().concat();
    let seen = if branch.seen_above { "  (as above)" } else { "" };
    let mut lines = vec![format!("{indent}{}{causes}{seen}", names.shorten(&branch.object.to_string()))];
    lines.extend(branch.below.iter().flat_map(|below| twig(below, names, depth + 1)));
    if branch.more > 0 {
        lines.push(format!("{indent}  +{}", branch.more));
    }
    lines
}
