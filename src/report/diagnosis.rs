//! A diagnosis on the screen, and in a ticket: each cause with whom it holds, how it is known, and the ways out.

use super::{
    alike::{Alike, alike},
    commands::Commands,
    fit, held,
    names::Names,
    step::{self, Step},
    tree,
};
use crate::domain::{
    CannotTell, Cause, Command, Diagnosis, Finding, Grade, Object, Proof, Remedy, RemedyKind, Subject,
};

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

/// So many symptoms of one kind are enough to see what it is about.
const RELATED: usize = 3;

/// So many things that cannot be told for the same reason are enough; the rest is counted.
const NAMED: usize = 5;

impl Findings<'_> {
    /// What is alike, with all that belongs to it. `before` is what has to be so before kubectl reaches the cluster.
    fn block(&self, kind: &Alike<'_>, held: Vec<String>, before: &[Step]) -> Vec<String> {
        let finding = kind.first;
        let mut rows = Rows { lines: self.hung(&format!("{}  {}", finding.cause, self.names.shorten(&finding.says))) };
        rows.add("holds", held);
        let evidence = finding.evidence.iter().map(|proof| self.proof(proof));
        let below = self.some(&finding.because);
        rows.add("why", evidence.chain(below).flat_map(|text| self.fitted(&text)).collect());
        rows.add("so", self.some(&finding.under).iter().flat_map(|text| self.fitted(text)).collect());
        rows.add("alike", self.others(kind).iter().flat_map(|text| self.fitted(text)).collect());
        let mut before = Some(before);
        for (head, remedy) in self.headed(finding) {
            let first = before.take_if(|_| remedy.needs_kubectl()).unwrap_or_default();
            let first = first.iter().flat_map(|step| step.lines(self.room()));
            rows.add(head, first.chain(self.remedy(remedy)).collect());
            rows.add("back", self.back(remedy));
        }
        rows.add("more", vec![format!("mngup explain {}", finding.cause)]);
        rows.lines
    }

    /// What is alike, with whom it holds.
    pub(super) fn whole(&self, kind: &Alike<'_>, before: &mut Vec<Step>) -> Vec<String> {
        self.told(kind, self.held(kind), before)
    }

    /// What is alike; what has to be so before kubectl reaches the cluster is said before its first use.
    pub(super) fn told(&self, kind: &Alike<'_>, held: Vec<String>, before: &mut Vec<Step>) -> Vec<String> {
        let lines = self.block(kind, held, before);
        if kind.first.remedies.iter().any(Remedy::needs_kubectl) {
            before.clear();
        }
        lines
    }

    /// Whom they hold: pods, each with its node.
    fn held(&self, kind: &Alike<'_>) -> Vec<String> {
        held::held(&kind.holds(), self.names).into_iter().flat_map(|held| self.fitted(&held)).collect()
    }

    /// The others that are told with it: what is printed for the first may be needed for each of them.
    fn others(&self, kind: &Alike<'_>) -> Option<String> {
        let others = kind.others(self.names)?;
        let each = if kind.each_by_itself() {
            "; what names a pod has to be done for each of them (-o json has it)"
        } else {
            ""
        };
        Some(format!("{others}{each}"))
    }

    /// What lies above or below, each cause a few times; the rest is counted.
    fn some(&self, findings: &[Finding]) -> Vec<String> {
        let mut shown: Vec<(Cause, usize)> = Vec::new();
        let mut lines = Vec::new();
        for finding in findings {
            match shown.iter_mut().find(|(cause, _)| *cause == finding.cause) {
                Some((_, count)) => *count += 1,
                None => shown.push((finding.cause, 1)),
            }
            if shown.iter().any(|(cause, count)| *cause == finding.cause && *count <= RELATED) {
                lines.push(self.in_short(finding));
            }
        }
        let more = shown.into_iter().filter(|(_, count)| *count > RELATED);
        lines.extend(more.map(|(cause, count)| format!("{cause} {} times more", count - RELATED)));
        lines
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
        step::said(&words(remedy), self.room()).into_iter().chain(self.runs(remedy)).collect()
    }

    fn runs(&self, remedy: &Remedy) -> Vec<String> {
        match remedy.kind {
            RemedyKind::Fix => self.in_turn(&remedy.run),
            RemedyKind::Look | RemedyKind::Wait => self.commands_of(&remedy.run),
        }
    }

    /// Ways out in a document: each command in a fence of its own, for what is copied whole must not undo itself.
    fn ways_out(&self, finding: &Finding) -> Vec<String> {
        let fenced = |label: &str, words: &str, commands: Vec<String>| {
            let mut lines = vec![String::new(), format!("**{label}**: {words}")];
            if !commands.is_empty() {
                lines.extend([String::new(), "```sh".to_owned()]);
                lines.extend(commands);
                lines.push("```".to_owned());
            }
            lines
        };
        let mut lines = Vec::new();
        for (head, remedy) in self.headed(finding) {
            lines.extend(fenced(head, &self.names.shorten(&words(remedy)), self.runs(remedy)));
            if !remedy.back.is_empty() {
                lines.extend(fenced("back", BACK, self.commands_of(&remedy.back)));
            }
        }
        lines
    }

    /// What can be done, each with what it is.
    fn headed<'f>(&self, finding: &'f Finding) -> Vec<(&'static str, &'f Remedy)> {
        let mut fixes = 0;
        let mut headed = Vec::new();
        for remedy in finding.remedies.iter().filter(|remedy| self.can_be_done(remedy)) {
            let head = match remedy.kind {
                RemedyKind::Wait => "wait",
                RemedyKind::Look => "look",
                RemedyKind::Fix if fixes == 0 => "fix",
                RemedyKind::Fix => "or",
            };
            fixes += usize::from(remedy.kind == RemedyKind::Fix);
            headed.push((head, remedy));
        }
        headed
    }

    /// What takes it back, and when: pasted with the rest at once it would put the block back.
    fn back(&self, remedy: &Remedy) -> Vec<String> {
        let when = (!remedy.back.is_empty()).then(|| format!("# {BACK}:"));
        when.into_iter().chain(self.commands_of(&remedy.back)).collect()
    }

    /// Pasted at once, what ends or deletes something must not run where what comes before it failed.
    fn in_turn(&self, commands: &[Command]) -> Vec<String> {
        let mut lines = self.commands_of(commands);
        let last = lines.len().saturating_sub(1);
        lines.iter_mut().take(last).for_each(|line| line.push_str(" &&"));
        lines
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

/// Pasted with the rest at once it would put the block back.
const BACK: &str = "puts it back, once the pods have moved";

/// What it does, and what it risks.
fn words(remedy: &Remedy) -> String {
    match remedy.risk.as_str() {
        "" => remedy.what.clone(),
        risk => format!("{}; risk: {risk}", remedy.what),
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
    for kind in alike(diagnosis.blocking()) {
        lines.push(String::new());
        lines.extend(findings.whole(&kind, &mut before));
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
    for kind in alike(diagnosis.blocking()) {
        let finding = kind.first;
        lines.push(format!("## {}: {}", finding.cause, names.shorten(&finding.says)));
        lines.push(String::new());
        lines.extend(findings.held(&kind).into_iter().map(|held| format!("- holds {held}")));
        lines.extend(finding.evidence.iter().map(|proof| format!("- why: {}", findings.proof(proof))));
        lines.extend(findings.some(&finding.because).into_iter().map(|below| format!("- why: {below}")));
        lines.extend(findings.some(&finding.under).into_iter().map(|symptom| format!("- so: {symptom}")));
        lines.extend(findings.others(&kind).into_iter().map(|others| format!("- alike: {others}")));
        lines.extend(findings.ways_out(finding));
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
    if diagnosis.blocking().next().is_none() && !diagnosis.unknown.is_empty() {
        return format!("{of}: nothing that may be seen stands in the way, and not all may");
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures;

    #[test]
    fn commands_of_a_fix_run_only_where_those_before_them_ended_well() {
        let mut diagnosis = fixtures::diagnosis();
        let commands = || vec![Command::Kubectl("drain n1".to_owned()), Command::Aws("ec2 terminate".to_owned())];
        let fix = Remedy::fix("replace it", commands(), "").back(commands());
        diagnosis.findings[0].remedies = vec![Remedy::look("what is there", commands()), fix];
        let lines = screen(&diagnosis, "nodegroup/apps", &Commands::new(Vec::new()), Some(80));
        let printed: Vec<_> = lines.iter().map(|line| line.trim()).filter(|line| line.contains("n1")).collect();
        assert_eq!(printed, ["kubectl drain n1", "kubectl drain n1 &&", "kubectl drain n1"]);
        assert!(!lines.iter().any(|line| line.ends_with("terminate &&")), "{lines:#?}");
    }
}
