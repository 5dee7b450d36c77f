//! Evictions that are refused, budgets aside.

use super::*;
use mngup::sim::spec::{Replies, WebhookSpec};

pub fn webhook_denies() -> Proof {
    Proof::new(guarded(None, false), "webhook/guard.example.com", guarded(Some(20), false))
}

pub fn webhook_down() -> Proof {
    Proof::new(guarded(None, true), "webhook/guard.example.com", guarded(Some(20), true))
}

pub fn namespace_terminating() -> Proof {
    let hangs = FaultKind::NamespaceHangs {
        namespace: "default".to_owned(),
        says: "Failed to delete all resource types, 1 remaining: admission webhook \"guard\" denied the request"
            .to_owned(),
    };
    let goes = FaultKind::DeleteNamespace { namespace: "default".to_owned() };
    Proof::new(
        faulty(cart(out(1)), vec![(1, hangs)]),
        "namespace/default",
        faulty(WorkloadSpec { stop: Duration::from_secs(25), ..cart(out(1)) }, vec![(1, goes)]),
    )
}

pub fn rights_evict() -> Proof {
    let denied =
        |rights: &[&str]| WorldSpec { denied: rights.iter().map(ToString::to_string).collect(), ..world(cart(out(1))) };
    Proof::new(denied(&["create pods/eviction"]), "the right to create pods/eviction in namespace default", denied(&[]))
        .alone()
}

/// It passes, where it does: nobody has to act before that has had its time.
pub fn api_busy() -> Proof {
    let put_off = world(WorkloadSpec { put_off: true, ..cart(out(1)) });
    let busy = WorldSpec { replies: Replies { throttled: 50, ..Replies::default() }, ..world(cart(out(1))) };
    Proof { by_nature: Duration::from_mins(5), ..Proof::new(put_off, "the API server", busy).alone() }
}

/// A webhook that says no, or that nobody answers for, for so many seconds or for ever.
fn guarded(seconds: Option<u64>, down: bool) -> WorldSpec {
    let webhook = WebhookSpec {
        name: "guard.example.com".to_owned(),
        message: "replica 2 is not in sync".to_owned(),
        until: seconds.map(Duration::from_secs),
        down,
    };
    world(WorkloadSpec { webhook: Some(webhook), ..cart(out(1)) })
}
