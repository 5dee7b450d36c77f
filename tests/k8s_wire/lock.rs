//! The Lease: who takes it from whom, and when.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use mngup::{
    adapters::k8s::KubeLock,
    domain::{Operator, RunId},
    ports::{Lock, LockError, PortError},
};
use serde_json::{Value, json};

use crate::server::{Reply, Seen, Server, scope, status};

const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/mngup-shop";

/// The one Lease of the API server, with its version.
#[derive(Clone, Default)]
struct Store(Arc<Mutex<(Option<Value>, u32)>>);

impl Store {
    async fn serve(&self) -> Server {
        let store = self.clone();
        Server::start(move |seen| store.answer(seen)).await
    }

    fn answer(&self, seen: &Seen) -> Reply {
        let mut store = self.0.lock().unwrap();
        let (lease, version) = &mut *store;
        let conflict = || Reply::Json(409, status(409, "Conflict", "the object has been modified", Value::Null));
        let missing = || Reply::Json(404, status(404, "NotFound", "not found", Value::Null));
        let mut write = |lease: &mut Option<Value>| {
            *version += 1;
            let mut object = seen.json();
            object["metadata"]["resourceVersion"] = version.to_string().into();
            object["metadata"]["uid"] = "lease-uid".into();
            *lease = Some(object.clone());
            Reply::Json(200, object)
        };
        match (seen.method.as_str(), &lease) {
            ("GET", Some(lease)) => Reply::Json(200, lease.clone()),
            ("POST", None) => write(lease),
            ("PUT", Some(known))
                if known["metadata"]["resourceVersion"] == seen.json()["metadata"]["resourceVersion"] =>
            {
                write(lease)
            }
            ("DELETE", Some(known)) => {
                let wanted = &seen.json()["preconditions"];
                if wanted["resourceVersion"] == known["metadata"]["resourceVersion"] && wanted["uid"] == "lease-uid" {
                    *lease = None;
                    Reply::Json(200, json!({ "kind": "Status", "status": "Success" }))
                } else {
                    conflict()
                }
            }
            (_, None) => missing(),
            (_, Some(_)) => conflict(),
        }
    }

    /// Another holder's Lease, renewed so long ago by our clock.
    fn put(&self, holder: &str, duration: i64, ago: SignedDuration) {
        let mut store = self.0.lock().unwrap();
        store.1 += 1;
        let renewed = Timestamp::now() - ago;
        store.0 = Some(json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": { "name": "mngup-shop", "resourceVersion": store.1.to_string(), "uid": "lease-uid" },
            "spec": { "holderIdentity": holder, "leaseDurationSeconds": duration, "leaseTransitions": 2,
                "acquireTime": format!("{:.6}", renewed), "renewTime": format!("{:.6}", renewed) },
        }));
    }

    /// The Lease gets another version, by whomever, and is else as it was.
    fn touch(&self) {
        let mut store = self.0.lock().unwrap();
        store.1 += 1;
        let version = store.1.to_string();
        store.0.as_mut().unwrap()["metadata"]["resourceVersion"] = version.into();
    }

    fn lease(&self) -> Option<Value> {
        self.0.lock().unwrap().0.clone()
    }
}

fn lock(server: &Server, user: &str) -> KubeLock {
    let operator = Operator { user: user.to_owned(), host: "laptop".to_owned() };
    KubeLock::new(server.connect(), &scope(), operator, &RunId::new("r1")).with_duration(Duration::from_secs(1))
}

fn holder(result: Result<(), LockError>) -> String {
    match result {
        Err(LockError::Held { lease, holder, .. }) => format!("{lease} {}@{}", holder.user, holder.host),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_free_lease_is_taken_renewed_and_left_without_a_trace() {
    let store = Store::default();
    let server = store.serve().await;
    let lock = lock(&server, "jo");
    lock.acquire().await.unwrap();
    let first = store.lease().unwrap();
    assert_eq!(first["spec"]["holderIdentity"], "jo@laptop/r1");
    assert_eq!(first["spec"]["leaseDurationSeconds"], 1);
    lock.renew().await.unwrap();
    let second = store.lease().unwrap();
    assert_eq!(first["spec"]["acquireTime"], second["spec"]["acquireTime"]);
    assert_ne!(first["spec"]["renewTime"], second["spec"]["renewTime"]);
    assert_eq!(server.of(&format!("PUT {LEASE}")).len(), 1, "one request a renewal");
    lock.release().await;
    assert_eq!(store.lease(), None);
    assert_eq!(lock.renew_every(), Duration::from_secs(1) / 3);
}

#[tokio::test]
async fn a_second_run_is_refused_and_told_who_holds_it_even_under_the_same_name() {
    let store = Store::default();
    let server = store.serve().await;
    let first = lock(&server, "jo");
    first.acquire().await.unwrap();
    for user in ["ann", "jo"] {
        assert_eq!(holder(lock(&server, user).acquire().await), "lease/kube-system/mngup-shop jo@laptop");
    }
    first.renew().await.unwrap();
}

#[tokio::test]
async fn a_dead_holder_is_believed_dead_after_it_was_watched_for_its_duration() {
    let store = Store::default();
    store.put("ann@desk/r0", 1, SignedDuration::from_secs(5));
    let server = store.serve().await;
    let began = Instant::now();
    lock(&server, "jo").acquire().await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    let lease = store.lease().unwrap();
    assert_eq!(lease["spec"]["holderIdentity"], "jo@laptop/r1");
    assert_eq!(lease["spec"]["leaseTransitions"], 3);
}

#[tokio::test]
async fn a_holder_whose_clock_is_behind_ours_lives_as_long_as_it_renews() {
    let store = Store::default();
    store.put("ann@desk/r0", 2, SignedDuration::from_secs(10));
    let server = store.serve().await;
    let renewing = store.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(300)).await;
            renewing.put("ann@desk/r0", 2, SignedDuration::from_secs(10));
        }
    });
    assert_eq!(holder(lock(&server, "jo").acquire().await), "lease/kube-system/mngup-shop ann@desk");
}

#[tokio::test]
async fn a_lease_that_ran_out_long_ago_is_taken_at_once() {
    let store = Store::default();
    store.put("ann@desk/r0", 30, SignedDuration::from_mins(16));
    let server = store.serve().await;
    let began = Instant::now();
    lock(&server, "jo").acquire().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_lease_without_a_holder_is_free() {
    let store = Store::default();
    store.put("", 30, SignedDuration::from_secs(1));
    let server = store.serve().await;
    lock(&server, "jo").acquire().await.unwrap();
}

#[tokio::test]
async fn a_holder_of_which_the_clock_says_nothing_yet_is_dead_once_it_stood_still_between_two_attempts() {
    let store = Store::default();
    // Renewed in the future: its clock goes ahead of ours.
    store.put("ann@desk/r0", 1, SignedDuration::from_mins(-2));
    let server = store.serve().await;
    let lock = lock(&server, "jo");
    assert_eq!(holder(lock.acquire().await), "lease/kube-system/mngup-shop ann@desk");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    lock.acquire().await.unwrap();
}

#[tokio::test]
async fn who_lost_the_lease_is_told_at_the_next_renewal() {
    let store = Store::default();
    let server = store.serve().await;
    let lock = lock(&server, "jo");
    lock.acquire().await.unwrap();
    store.put("ann@desk/r0", 1, SignedDuration::from_secs(100));
    assert_eq!(holder(lock.renew().await), "lease/kube-system/mngup-shop ann@desk");
    lock.release().await;
    assert!(store.lease().is_some(), "another's lease is not deleted");
}

#[tokio::test]
async fn a_lease_that_somebody_touched_or_deleted_is_still_ours() {
    let store = Store::default();
    let server = store.serve().await;
    let lock = lock(&server, "jo");
    lock.acquire().await.unwrap();
    store.touch();
    lock.renew().await.unwrap();
    store.0.lock().unwrap().0 = None;
    lock.renew().await.unwrap();
    assert_eq!(store.lease().unwrap()["spec"]["holderIdentity"], "jo@laptop/r1");
}

#[tokio::test]
async fn a_renewal_nobody_heard_of_does_not_keep_the_lease_from_being_given_back() {
    let store = Store::default();
    let server = store.serve().await;
    let lock = lock(&server, "jo");
    lock.acquire().await.unwrap();
    store.touch();
    lock.release().await;
    assert_eq!(store.lease(), None);
}

#[tokio::test]
async fn a_server_that_refuses_is_no_holder() {
    let server = Server::start(|_| Reply::Json(403, status(403, "Forbidden", "no", Value::Null))).await;
    let error = lock(&server, "jo").acquire().await.unwrap_err();
    let LockError::Port(PortError::Forbidden { what, .. }) = &error else { panic!("{error}") };
    assert_eq!(what, "get lease/kube-system/mngup-shop");
}
