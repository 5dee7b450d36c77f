//! What of a diagnosis is worth a Kubernetes Event, and when: people look at a node or a budget with kubectl.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    domain::{About, Cause, Diagnosis, Finding, News, NodeName, Notice, elapsed},
    engine::event::Event,
};

/// The same is said again after so long: often enough for an event of an hour's life to be found whenever somebody looks.
const AGAIN: Duration = Duration::from_mins(5);

/// No more than so many a minute, however many nodes stand still: each is a write, and kept by the server for an hour.
const A_MINUTE: usize = 20;

/// What a sentence may have at most, in bytes: the API server takes a kilobyte for a note of the newer style.
const LONGEST: usize = 1000;

/// What was said of whom.
#[derive(Debug, Default)]
pub struct Announcer {
    /// What holds whom now, and the sentence for it.
    holds: BTreeMap<Key, String>,
    said: BTreeMap<Key, Said>,
    lately: VecDeque<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    about: About,
    cause: Cause,
}

#[derive(Clone, Copy, Debug)]
struct Said {
    first: Timestamp,
    last: Timestamp,
    count: u32,
    /// Whether it is to be taken back once it is over.
    stands: bool,
}

impl Announcer {
    /// Takes in what a run tells.
    pub fn note(&mut self, event: &Event) {
        if let Event::Diagnosed { diagnosis } = event {
            self.holds = holds(diagnosis);
        }
        // Given back as it is: what held it holds it still, and nobody looks any more.
        if let Event::NodeStuck { member: Some(member), .. } | Event::GivingBack { member } = event
            && let Some(node) = &member.node
        {
            self.forget(node);
        }
    }

    /// What is to be announced at this moment.
    pub fn due(&mut self, now: Timestamp) -> Vec<Notice> {
        while self.lately.front().is_some_and(|at| elapsed(*at, now) >= Duration::from_mins(1)) {
            self.lately.pop_front();
        }
        let is_over = |(key, said): &(&Key, &Said)| said.stands && !self.holds.contains_key(key);
        let over = self.said.iter().filter(is_over).map(|(key, _)| (key.clone(), News::Unblocked));
        let is_due = |key: &Key| self.said.get(key).is_none_or(|said| elapsed(said.last, now) >= AGAIN);
        let new = self.holds.keys().filter(|key| is_due(key)).map(|key| (key.clone(), News::Blocked));
        let room = A_MINUTE.saturating_sub(self.lately.len());
        let due: Vec<_> = over.chain(new).take(room).collect();
        due.into_iter().map(|(key, news)| self.say(key, news, now)).collect()
    }

    fn say(&mut self, key: Key, news: News, now: Timestamp) -> Notice {
        self.lately.push_back(now);
        let Key { about, cause } = key.clone();
        match news {
            News::Blocked => {
                let says = self.holds.get(&key).cloned().unwrap_or_default();
                let said = self.said.entry(key).or_insert(Said { first: now, last: now, count: 0, stands: true });
                *said = Said { last: now, count: said.count + 1, stands: true, ..*said };
                Notice { about, cause, news, says, count: said.count, first: said.first, at: now }
            }
            News::Unblocked => {
                if let Some(said) = self.said.get_mut(&key) {
                    said.stands = false;
                }
                let says = format!("{cause} holds this no longer");
                Notice { about, cause, news, says, count: 1, first: now, at: now }
            }
        }
    }

    fn forget(&mut self, node: &NodeName) {
        for (key, said) in &mut self.said {
            let is_it = match &key.about {
                About::Pdb(_) => true,
                About::Node(known) => known == node,
            };
            if is_it {
                said.stands = false;
            }
        }
    }
}

/// Who is held by what somebody must act on.
fn holds(diagnosis: &Diagnosis) -> BTreeMap<Key, String> {
    let mut holds = BTreeMap::new();
    for finding in diagnosis.blocking() {
        let says = sentence(finding);
        let nodes = finding.holds.nodes.iter().cloned().map(About::Node);
        let told = std::iter::once(finding).chain(&finding.under);
        let budgets = told.flat_map(|finding| finding.object.budgets()).cloned().map(About::Pdb);
        for about in nodes.chain(budgets) {
            holds.insert(Key { about, cause: finding.cause }, says.clone());
        }
    }
    holds
}

/// `PDB-NEVER-ALLOWS: pdb/shop/cart can never allow an eviction: minAvailable …; see: mngup explain PDB-NEVER-ALLOWS`
fn sentence(finding: &Finding) -> String {
    let cause = finding.cause;
    let why = finding.evidence.first().map_or_else(String::new, |proof| format!(": {}", proof.says));
    let mut says = format!("{cause}: {}{why}", finding.says);
    let more = format!("; see: mngup explain {cause}");
    let room = LONGEST - more.len();
    if says.len() > room {
        let cut = (0..=room - '…'.len_utf8()).rev().find(|at| says.is_char_boundary(*at)).unwrap_or_default();
        says.truncate(cut);
        says.push('…');
    }
    says + &more
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        domain::{By, InstanceId, Member, Object, PdbRef, Subject},
        engine::event::Stuck,
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn pdb(name: &str) -> Object {
        Object::Pdb(PdbRef { namespace: "shop".to_owned(), name: name.to_owned() })
    }

    fn node(number: usize) -> NodeName {
        NodeName::new(format!("n{number:02}"))
    }

    fn never(nodes: usize) -> Finding {
        let mut finding = Finding::new(Cause::PdbNeverAllows, pdb("cart"), "pdb/shop/cart can never allow an eviction")
            .by(By::Arithmetic, "minAvailable 3 of 3 pods = 3 must stay");
        finding.holds.nodes = (0..nodes).map(node).collect();
        finding
    }

    fn diagnosed(findings: Vec<Finding>) -> Event {
        let diagnosis = Diagnosis { at: at(0), subject: Subject::Run, findings, unknown: Vec::new(), tree: Vec::new() };
        Event::Diagnosed { diagnosis: Box::new(diagnosis) }
    }

    fn said(notices: &[Notice]) -> Vec<String> {
        let said = notices
            .iter()
            .map(|notice| format!("{:?} {} {} x{}", notice.news, notice.about, notice.cause, notice.count));
        said.collect()
    }

    #[test]
    fn the_budget_and_the_node_are_told_once_and_again_after_five_minutes() {
        let mut announcer = Announcer::default();
        announcer.note(&diagnosed(vec![never(1)]));
        let first = announcer.due(at(0));
        assert_eq!(said(&first), ["Blocked pdb/shop/cart PDB-NEVER-ALLOWS x1", "Blocked node/n00 PDB-NEVER-ALLOWS x1"]);
        assert_eq!(
            first[0].says,
            "PDB-NEVER-ALLOWS: pdb/shop/cart can never allow an eviction: minAvailable 3 of 3 pods = 3 must stay; \
             see: mngup explain PDB-NEVER-ALLOWS"
        );
        // The same diagnosis again, and time that passes: no news.
        announcer.note(&diagnosed(vec![never(1)]));
        assert_eq!(announcer.due(at(299)), []);
        let again = announcer.due(at(300));
        assert_eq!(said(&again)[0], "Blocked pdb/shop/cart PDB-NEVER-ALLOWS x2");
        assert_eq!((again[0].first, again[0].at), (at(0), at(300)));
    }

    #[test]
    fn the_end_of_a_block_is_told_once_and_a_new_one_not_before_its_time() {
        let mut announcer = Announcer::default();
        announcer.note(&diagnosed(vec![never(1)]));
        announcer.due(at(0));
        announcer.note(&diagnosed(Vec::new()));
        assert_eq!(
            said(&announcer.due(at(10))),
            ["Unblocked pdb/shop/cart PDB-NEVER-ALLOWS x1", "Unblocked node/n00 PDB-NEVER-ALLOWS x1"]
        );
        assert_eq!(announcer.due(at(11)), []);
        announcer.note(&diagnosed(vec![never(1)]));
        assert_eq!(announcer.due(at(20)), [], "it flaps");
        assert_eq!(announcer.due(at(300)).len(), 2);
    }

    #[test]
    fn a_budget_that_a_root_uses_up_is_told_of_the_root() {
        let pod = crate::domain::PodRef { namespace: "shop".to_owned(), name: "cart-1".to_owned(), uid: "u1".into() };
        let mut crash = Finding::new(Cause::PodCrashLoop, Object::Pod(pod), "container app ends again and again");
        crash.under.push(Finding::new(Cause::PdbExhausted, pdb("cart"), "pdb/shop/cart allows no eviction now"));
        let mut announcer = Announcer::default();
        announcer.note(&diagnosed(vec![crash]));
        let notices = announcer.due(at(0));
        assert_eq!(said(&notices), ["Blocked pdb/shop/cart POD-CRASH-LOOP x1"]);
    }

    #[test]
    fn twenty_a_minute_and_the_others_later_budgets_first() {
        let mut announcer = Announcer::default();
        announcer.note(&diagnosed(vec![never(30)]));
        let first = announcer.due(at(0));
        assert_eq!(
            (first.len(), &first[0].about),
            (20, &About::Pdb(PdbRef { namespace: "shop".to_owned(), name: "cart".to_owned() }))
        );
        assert_eq!(announcer.due(at(59)), []);
        assert_eq!(announcer.due(at(60)).len(), 11);
        let all: BTreeSet<_> = announcer.said.keys().map(|key| key.about.to_string()).collect();
        assert_eq!(all.len(), 31);
    }

    #[test]
    fn a_node_that_is_given_back_as_it_is_is_not_called_free() {
        let mut announcer = Announcer::default();
        announcer.note(&diagnosed(vec![never(1)]));
        announcer.due(at(0));
        let member = Member { instance: InstanceId::new("i-0"), node: Some(node(0)), zone: "eu-west-1a".into() };
        announcer.note(&Event::NodeStuck {
            member: Some(member),
            why: Stuck::PodEviction { after: AGAIN, held: Vec::new() },
        });
        announcer.note(&diagnosed(Vec::new()));
        assert_eq!(announcer.due(at(900)), []);
    }

    #[test]
    fn a_long_sentence_is_cut_where_a_letter_ends() {
        let finding = Finding::new(Cause::PodCrashLoop, pdb("x"), "ü".repeat(2000));
        let says = sentence(&finding);
        assert!(says.len() <= LONGEST && says.ends_with("…; see: mngup explain POD-CRASH-LOOP"), "{says}");
    }
}
