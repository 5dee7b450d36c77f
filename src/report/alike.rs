//! The same cause at many objects, told once.

use super::names::Names;
use crate::domain::{Command, Finding, Held, Object};

/// So many of those that are told with another are named.
const NAMED: usize = 3;

/// A finding, and those that differ from it in their object's name alone.
pub(super) struct Alike<'a> {
    pub(super) first: &'a Finding,
    others: Vec<&'a Finding>,
}

/// Each kind once, in the order of the first of its kind.
pub(super) fn alike<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Vec<Alike<'a>> {
    let mut kinds: Vec<Alike<'a>> = Vec::new();
    for finding in findings {
        match kinds.iter_mut().find(|kind| is_alike(kind.first, finding)) {
            Some(kind) => kind.others.push(finding),
            None => kinds.push(Alike::one(finding)),
        }
    }
    kinds
}

impl<'a> Alike<'a> {
    /// This finding alone.
    pub(super) fn one(first: &'a Finding) -> Self {
        Self { first, others: Vec::new() }
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &'a Finding> {
        std::iter::once(self.first).chain(self.others.iter().copied())
    }

    /// Whom all of them hold.
    pub(super) fn holds(&self) -> Held {
        let mut all = self.first.holds.clone();
        for other in &self.others {
            all.nodes.extend(other.holds.nodes.iter().cloned());
            all.pods.extend(other.holds.pods.iter().cloned());
            all.instances.extend(other.holds.instances.iter().cloned());
        }
        all
    }

    /// `pod/shop/cart-2, pod/shop/cart-3 and 7 more`; none where there are no others.
    pub(super) fn others(&self, names: &Names) -> Option<String> {
        let mut named: Vec<_> =
            self.others.iter().take(NAMED).map(|other| names.shorten(&other.object.to_string())).collect();
        let more = self.others.len() - named.len();
        let last = if more > 0 { format!("{more} more") } else { named.pop()? };
        Some(if named.is_empty() { last } else { format!("{} and {last}", named.join(", ")) })
    }

    /// Whether what is printed for the first of them leaves the others as they are.
    pub(super) fn each_by_itself(&self) -> bool {
        let changes = |finding: &Finding| {
            let run = finding.remedies.iter().flat_map(|remedy| &remedy.run);
            run.map(|command| text(command).to_owned()).collect::<Vec<_>>()
        };
        self.others.iter().any(|other| changes(other) != changes(self.first))
    }
}

/// Whether they say the same and offer the same, their own names aside.
fn is_alike(one: &Finding, other: &Finding) -> bool {
    let (Object::Pod(pod), Object::Pod(of)) = (&one.object, &other.object) else { return false };
    let kind = (one.cause, one.grade, &pod.namespace) == (other.cause, other.grade, &of.namespace);
    kind && nameless(one, &one.says) == nameless(other, &other.says) && ways(one) == ways(other)
}

fn ways(finding: &Finding) -> Vec<String> {
    let commands = finding.remedies.iter().flat_map(|remedy| remedy.run.iter().chain(&remedy.back));
    let words = finding.remedies.iter().flat_map(|remedy| [&remedy.what, &remedy.risk]);
    let all = commands.map(text).chain(words.map(String::as_str));
    all.map(|text| nameless(finding, text)).collect()
}

/// Without the name of its pod and of the nodes that it holds.
fn nameless(finding: &Finding, text: &str) -> String {
    let Object::Pod(pod) = &finding.object else { return text.to_owned() };
    let without = text.replace(&pod.name, "POD");
    finding.holds.nodes.iter().fold(without, |text, node| text.replace(node.as_str(), "NODE"))
}

fn text(command: &Command) -> &str {
    match command {
        Command::Kubectl(text) | Command::Upgrade(text) | Command::Aws(text) => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{Cause, Remedy},
        report::fixtures::pod,
    };

    fn stuck(name: &str, command: &str) -> Finding {
        let mut found = Finding::new(Cause::StuckTerminating, Object::Pod(pod(name)), format!("{name} does not go"));
        found.holds.pods.insert(pod(name));
        found.remedies(vec![Remedy::fix("forget it", vec![Command::Kubectl(command.to_owned())], "it may run")])
    }

    #[test]
    fn what_differs_in_names_alone_is_told_once_and_counted() {
        let each: Vec<_> = (1..=6).map(|n| stuck(&format!("cart-{n}"), &format!("delete pod/cart-{n}"))).collect();
        let other = stuck("till-1", "delete pod/till-1 --force");
        let kinds = alike(each.iter().chain([&other]));
        assert_eq!(kinds.len(), 2);
        let others = kinds[0].others(&Names::default()).unwrap();
        assert_eq!(others, "pod/shop/cart-2, pod/shop/cart-3, pod/shop/cart-4 and 2 more");
        assert_eq!((kinds[0].holds().pods.len(), kinds[0].all().count(), kinds[0].each_by_itself()), (6, 6, true));
        assert_eq!((kinds[1].others(&Names::default()), kinds[1].each_by_itself()), (None, false));
    }

    #[test]
    fn one_command_for_all_of_them_is_enough() {
        let both = [stuck("cart-1", "patch pdb/cart"), stuck("cart-2", "patch pdb/cart")];
        let kinds = alike(&both);
        assert_eq!((kinds.len(), kinds[0].each_by_itself()), (1, false));
        assert_eq!(kinds[0].others(&Names::default()).as_deref(), Some("pod/shop/cart-2"));
    }
}
