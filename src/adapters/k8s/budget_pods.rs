//! The pods of budgets that block: which are not Ready, where, and why.
//!
//! A look costs a request, so it is taken only at budgets that block for a while, and not at each pod that moves.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use k8s_openapi::api::core::v1 as core;
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

/// What is known of the looks at one budget.
struct Look {
    /// When the next one is due, unless the budget changes before.
    due: Instant,
    /// No earlier, however often the budget changes.
    earliest: Instant,
    /// The revision at the last look.
    revision: Option<String>,
}

impl Look {
    fn due(&self, revision: Option<&String>) -> Instant {
        if self.revision.is_some() && self.revision.as_ref() != revision { self.earliest } else { self.due }
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
            let due = now + pace.first_look;
            looks.entry(id).or_insert(Look { due, earliest: due, revision: None });
        }
        let mut next: Option<Instant> = None;
        for (id, look) in &mut looks {
            let known = budgets.get(id);
            let due = look.due(known.as_ref().map(|(revision, _)| revision));
            if due <= now
                && let Some((revision, selector)) = known
            {
                if let Some(pods) = pods(&source, id, &selector).await
                    && out.send(Ok(vec![pods])).await.is_err()
                {
                    return;
                }
                let now = Instant::now();
                *look = Look { due: now + pace.look_again, earliest: now + pace.first_look, revision: Some(revision) };
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
    match source.list::<core::Pod>(Some(&id.namespace)).await {
        Ok((pods, _)) => Some(Change::PdbPods(id.clone(), pods.into_iter().map(convert::pod).collect())),
        Err(failure) => {
            // Only an explanation is missing; the next look will tell.
            tracing::debug!(%id, reason = failure.line(), "cannot list the pods of a budget");
            None
        }
    }
}
