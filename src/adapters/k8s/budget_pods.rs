//! The pods of budgets that block: which are not Ready, where, and why.
//!
//! A look costs a request, so it is taken only at budgets that block for a while, and not at each pod that moves.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{
    cluster::Pace,
    convert,
    follow::{Sender, Source},
    kinds::Budgets,
};
use crate::domain::{Change, PdbRef, Selector};

/// A budget that never stands still, since its pods come and go, is looked at after so many turns all the same.
const RESTLESS: u32 = 4;

/// What is known of the looks at one budget.
struct Look {
    /// When the next one is due, unless the budget changes before.
    due: Instant,
    /// No later, however often the budget changes.
    latest: Instant,
    /// The newest revision that was seen.
    revision: Option<String>,
}

impl Look {
    /// A budget that moves lets pods go and needs no explanation: the wait begins anew.
    fn note(&mut self, revision: Option<&String>, due: Instant) {
        if self.revision.as_ref() != revision {
            self.revision = revision.cloned();
            self.due = due.min(self.latest);
        }
    }
}

/// Looks at the wanted budgets' pods until nobody wants any more.
pub(super) async fn run(
    source: Source,
    budgets: Arc<Budgets>,
    mut wanted: watch::Receiver<BTreeSet<PdbRef>>,
    out: Sender,
    pace: Pace,
) {
    let mut looks: BTreeMap<PdbRef, Look> = BTreeMap::new();
    loop {
        let now = Instant::now();
        let ids = wanted.borrow_and_update().clone();
        looks.retain(|id, _| ids.contains(id));
        for id in ids {
            let (due, latest) = (now + pace.first_look, now + pace.look_again * RESTLESS);
            let revision = budgets.get(&id).map(|(revision, _)| revision);
            looks.entry(id).or_insert(Look { due, latest, revision });
        }
        let mut next: Option<Instant> = None;
        for (id, look) in &mut looks {
            let known = budgets.get(id);
            look.note(known.as_ref().map(|(revision, _)| revision), now + pace.first_look);
            let due = look.due;
            if due <= now
                && let Some((_, selector)) = known
            {
                if let Some(pods) = pods(&source, id, &selector).await
                    && out.send(Ok(vec![pods])).await.is_err()
                {
                    return;
                }
                let now = Instant::now();
                (look.due, look.latest) = (now + pace.look_again, now + pace.look_again * RESTLESS);
                next = next.min(Some(look.due)).or(Some(look.due));
            } else if due > now {
                next = next.min(Some(due)).or(Some(due));
            }
        }
        let rest = async {
            match next {
                Some(moment) => sleep_until(moment).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = wanted.changed() => if changed.is_err() { return },
            () = budgets.changed.notified(), if !looks.is_empty() => {}
            () = rest => {}
        }
    }
}

async fn pods(source: &Source, id: &PdbRef, selector: &Selector) -> Option<Change> {
    if selector.absent {
        return Some(Change::PdbPods(id.clone(), Vec::new()));
    }
    let source = Source { labels: Some(selector.to_query()), fields: None, ..source.clone() };
    match source.list(Some(&id.namespace), convert::pod).await {
        Ok((pods, _)) => Some(Change::PdbPods(id.clone(), pods)),
        Err(failure) => {
            // Only an explanation is missing; the next look will tell.
            tracing::debug!(%id, reason = failure.line(), "cannot list the pods of a budget");
            None
        }
    }
}
