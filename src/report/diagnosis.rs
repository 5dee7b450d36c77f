//! A diagnosis on the screen, and in a ticket: each cause with whom it holds, how it is known, and the ways out.

use super::{
    commands::Commands,
    fit, held,
    names::Names,
    step::{self, Step},
    tree,
};
use crate::domain::{CannotTell, Command, Diagnosis, Finding, Grade, Object, Proof, Remedy, RemedyKind, Subject};

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

/// What the heads of lines below the causes take.
const ASIDE: usize = 13;

/// So many things that cannot be told for the same reason are enough; the rest is counted.
const NAMED: usize = 5;

impl Findings<'_> {
    /// One finding with all that belongs to it. `before` is what has to be so before kubectl reaches the cluster.
    fn block(&self, finding: &Finding, held: Vec<String>, before: &[Step]) -> Vec<String> {
        let mut rows = Rows { lines: self.hung(&format!("{}  {}", finding.cause, self.names.shorten(&finding.says))) };
        rows.add("holds", held);
        let evidence = finding.evidence.iter().map(|proof| self.proof(proof));
        let below = finding.because.iter().map(|below| self.in_short(below));
        rows.add("why", evidence.chain(below).flat_map(|text| self.fitted(&text)).collect());
        rows.add("so", finding.under.iter().flat_map(|symptom| self.fitted(&self.in_short(symptom))).collect());
        let mut before = Some(before);
        let mut fixes = 0;
        for remedy in finding.remedies.iter().filter(|remedy| self.can_be_done(remedy)) {
            let head = match remedy.kind {
                RemedyKind::Wait => "wait",
                RemedyKind::Look => "look",
                RemedyKind::Fix if fixes == 0 => "fix",
                RemedyKind::Fix => "or",
            };
            fixes += usize::from(remedy.kind == RemedyKind::Fix);
            let first = before.take_if(|_| remedy.needs_kubectl()).unwrap_or_default();
            let first = first.iter().flat_map(|step| step.lines(self.room()));
            rows.add(head, first.chain(self.remedy(remedy)).collect());
            rows.add("back", self.back(remedy));
        }
        rows.add("more", vec![format!("mngup explain {}", finding.cause)]);
        rows.lines
    }

    /// One finding with whom it holds.
    pub(super) fn whole(&self, finding: &Finding, before: &mut Vec<Step>) -> Vec<String> {
        self.told(finding, self.held(finding), before)
    }

    /// One finding; what has to be so before kubectl reaches the cluster is said before its first use.
    pub(super) fn told(&self, finding: &Finding, held: Vec<String>, before: &mut Vec<Step>) -> Vec<String> {
        let lines = self.block(finding, held, before);
        if finding.remedies.iter().any(Remedy::needs_kubectl) {
            before.clear();
        }
        lines
    }

    /// Whom it holds: pods, each with its node.
    fn held(&self, finding: &Finding) -> Vec<String> {
        held::held(&finding.holds, self.names).into_iter().flat_map(|held| self.fitted(&held)).collect()
    }

    /// A node that is of no group cannot be upgraded with one.
    fn can_be_done(&self, remedy: &Remedy) -> bool {
        let upgrades = remedy.run.iter().chain(&remedy.back).any(|command| matches!(command, Command::Upgrade(_)));
        self.commands.have_group() || !upgrades
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
        step::said(&words, self.room()).into_iter().chain(self.commands_of(&remedy.run)).collect()
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
    let mut before = commands.before_kubectl();
    for finding in diagnosis.blocking() {
        lines.push(String::new());
        lines.extend(findings.whole(finding, &mut before));
    }
    let also = [(Grade::Waits, "takes its time"), (Grade::Notes, "good to know")]
        .into_iter()
        .flat_map(|(grade, why)| diagnosis.of_grade(grade).map(move |finding| (finding, why)));
    let also: Vec<_> = also.map(|(finding, why)| format!("{} ({why})", findings.in_short(finding))).collect();
    lines.extend(aside("also", &also, width));
    lines.extend(aside("cannot tell", &unknown(&diagnosis.unknown), width));
    let in_place = match diagnosis.subject {
        Subject::Nodes(_) | Subject::Pod(_) | Subject::Group | Subject::Update(_) => true,
        // Of a whole group, and of what has not happened yet, it would be long and say nothing new.
        Subject::Run | Subject::BeforeUpgrade => false,
    };
    if in_place && !diagnosis.tree.is_empty() {
        lines.push(String::new());
        lines.extend(tree::tree(&diagnosis.tree, &names, width.unwrap_or(usize::MAX)));
    }
    lines
}

/// Lines of one kind below the causes, under one head.
fn aside(head: &str, texts: &[String], width: Option<usize>) -> Vec<String> {
    let room = width.map_or(usize::MAX, |width| width.saturating_sub(ASIDE));
    let mut lines: Vec<_> = texts
        .iter()
        .flat_map(|text| fit::wrap(text, room.saturating_sub(2), usize::MAX).into_iter().enumerate())
        .map(|(index, line)| format!("{:ASIDE$}{}{line}", "", if index == 0 { "" } else { "  " }))
        .collect();
    if let Some(first) = lines.first_mut() {
        first.replace_range(..ASIDE, &format!("{head:<ASIDE$}"));
        lines.insert(0, String::new());
    }
    lines
}

/// What could not be told, by what lacks for it.
pub(super) fn unknown(unknown: &[CannotTell]) -> Vec<String> {
    let mut by_lack: Vec<(String, Vec<String>)> = Vec::new();
    for CannotTell { cause, object, lacking } in unknown {
        let (lacking, what) = (lacking.to_string(), format!("{cause} of {object}"));
        match by_lack.iter_mut().find(|(known, _)| *known == lacking) {
            Some((_, all)) if all.contains(&what) => {}
            Some((_, all)) => all.push(what),
            None => by_lack.push((lacking, vec![what])),
        }
    }
    let told = by_lack.into_iter().map(|(lacking, all)| {
        let more = all.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}{more}: {lacking}", all[..all.len().min(NAMED)].join(", "))
    });
    told.collect()
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
        for remedy in finding.remedies.iter().filter(|remedy| findings.can_be_done(remedy)) {
            lines.extend([String::new(), "```sh".to_owned()]);
            lines.extend(findings.remedy(remedy));
            lines.extend(findings.back(remedy));
            lines.push("```".to_owned());
        }
        lines.push(String::new());
    }
    let rest = diagnosis.findings.iter().filter(|finding| finding.grade != Grade::Blocks);
    lines.extend(rest.map(|finding| format!("- {}", findings.in_short(finding))));
    lines.extend(unknown(&diagnosis.unknown).into_iter().map(|lack| format!("- cannot tell {lack}")));
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines.join("\n") + "\n"
}

/// `nodegroup/apps: 2 causes hold 3 nodes and 7 pods`
fn headline(diagnosis: &Diagnosis, group: &str) -> String {
    let of = match &diagnosis.subject {
        Subject::Run | Subject::Group | Subject::BeforeUpgrade => group.to_owned(),
        Subject::Nodes(nodes) => nodes.iter().map(|node| format!("node/{node}")).collect::<Vec<_>>().join(", "),
        Subject::Pod(pod) => pod.to_string(),
        Subject::Update(id) => format!("{group}, update {id}"),
    };
    if diagnosis.blocking().next().is_none() {
        return match diagnosis.subject {
            Subject::BeforeUpgrade => format!("{of}: nothing that can be seen now would stand in an upgrade's way"),
            Subject::Group => format!("{of}: nothing stands in the way on its cordoned nodes"),
            Subject::Run | Subject::Nodes(_) | Subject::Pod(_) | Subject::Update(_) => {
                format!("{of}: nothing stands in the way")
            }
        };
    }
    format!("{of}: {}", held::headline(diagnosis))
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
