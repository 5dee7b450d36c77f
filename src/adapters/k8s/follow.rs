//! List and watch of one kind of object, mended when it breaks.
//!
//! Own code, not `kube::runtime::watcher`: what disappeared during a gap must be told by name, a refusal must surface as
//! the right that is missing, and a watch that ends in order goes on from where it was without a list.

use std::{collections::BTreeMap, fmt::Debug, sync::Arc, time::Duration};

use futures::StreamExt;
use kube::{
    Client, Resource, ResourceExt,
    api::{ListParams, ObjectList, WatchEvent, WatchParams},
    core::Request,
};
use serde::de::DeserializeOwned;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

use super::answer::{Failure, PATIENCE, fetch};
use crate::{domain::Change, ports::PortError};

/// Objects per page of a list.
const PAGE: u32 = 500;

/// After so many seconds the server ends a watch, and we go on with the next.
const WATCH_SECONDS: u32 = 290;

/// The server sends a bookmark a minute: a watch that is silent for longer hangs on a dead connection.
const SILENCE: Duration = Duration::from_secs(150);

/// Events taken at once.
const BATCH: usize = 256;

/// Where changes go; an error ends the view.
pub(super) type Sender = mpsc::Sender<Result<Vec<Change>, PortError>>;

/// A kind of object and the changes it makes.
pub(super) trait Kind: Send {
    /// As the API has it.
    type Object: Resource<DynamicType = ()> + DeserializeOwned + Clone + Debug + Send + 'static;
    /// What tells two apart.
    type Key: Ord + Clone + Send;
    /// As the domain has it.
    type Value: PartialEq + Clone + Send;

    /// Plural, as in `list nodes`.
    const WHAT: &'static str;

    /// Takes in an object.
    fn read(&mut self, object: Self::Object) -> (Self::Key, Self::Value);

    /// Tells of it.
    fn change(&self, value: Self::Value) -> Change;

    /// Forgets one that is gone, and tells of it.
    fn gone(&mut self, key: &Self::Key) -> Change;

    /// Tells that the first list is complete.
    fn complete(&self) -> Change;
}

/// What is listed and watched.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) client: Client,
    pub(super) server: Arc<str>,
    pub(super) fields: Option<String>,
    pub(super) labels: Option<String>,
}

impl Source {
    /// Everything of this kind.
    pub(super) fn all(client: Client, server: Arc<str>) -> Self {
        Self { client, server, fields: None, labels: None }
    }

    /// All objects page by page, and the version they were read at.
    pub(super) async fn list<K>(&self, namespace: Option<&str>) -> Result<(Vec<K>, String), Failure>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned + Clone + Debug,
    {
        let request = Request::new(K::url_path(&(), namespace));
        let mut params = ListParams {
            label_selector: self.labels.clone(),
            field_selector: self.fields.clone(),
            limit: Some(PAGE),
            ..ListParams::default()
        };
        let mut items = Vec::new();
        loop {
            let page: ObjectList<K> = match fetch(&self.client, request.list(&params)).await {
                // The pages' snapshot was compacted away under us: begin again.
                Err(failure) if params.continue_token.is_some() && failure.code() == Some(410) => {
                    items.clear();
                    params.continue_token = None;
                    continue;
                }
                page => page?,
            };
            items.extend(page.items);
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params.continue_token = Some(token),
                None => return Ok((items, page.metadata.resource_version.unwrap_or_default())),
            }
        }
    }
}

/// Lists, watches, and tells of every change until nobody listens or a right is missing for good.
pub(super) async fn follow<K: Kind>(source: Source, mut kind: K, out: Sender) {
    let mut known: BTreeMap<K::Key, K::Value> = BTreeMap::new();
    let mut trouble = Trouble::default();
    let mut complete = false;
    loop {
        let (objects, mut version) = match source.list::<K::Object>(None).await {
            Ok(listed) => listed,
            Err(failure) => match trouble.wait(failure, &source.server, "list", K::WHAT).await {
                Ok(()) => continue,
                Err(error) => return drop(out.send(Err(error)).await),
            },
        };
        trouble.over();
        let mut changes = relist(&mut kind, &mut known, objects);
        if !complete {
            complete = true;
            changes.push(kind.complete());
        }
        if !changes.is_empty() && out.send(Ok(changes)).await.is_err() {
            return;
        }
        // One watch after the other, each from where the last one ended, until the server has forgotten that place.
        loop {
            match watch(&source, &mut kind, &mut known, &mut version, &mut trouble, &out).await {
                Ended::InOrder => {}
                Ended::Expired => break,
                Ended::Unheard => return,
                Ended::Broken(failure) => match trouble.wait(failure, &source.server, "watch", K::WHAT).await {
                    // A server that keeps refusing this place may have lost its history: look at everything again.
                    Ok(()) if trouble.answers > 3 => break,
                    Ok(()) => {}
                    Err(error) => return drop(out.send(Err(error)).await),
                },
            }
        }
    }
}

/// Compares a whole list with what was known: tells of what is new or different, and of what disappeared unseen.
fn relist<K: Kind>(kind: &mut K, known: &mut BTreeMap<K::Key, K::Value>, objects: Vec<K::Object>) -> Vec<Change> {
    let mut before = std::mem::take(known);
    let mut changes = Vec::new();
    for object in objects {
        let (key, value) = kind.read(object);
        if before.remove(&key).as_ref() != Some(&value) {
            changes.push(kind.change(value.clone()));
        }
        known.insert(key, value);
    }
    // What is gone is told first: a pod's name may have come back under another uid.
    let gone = before.into_keys().map(|key| kind.gone(&key));
    gone.collect::<Vec<_>>().into_iter().chain(changes).collect()
}

enum Ended {
    InOrder,
    Expired,
    Unheard,
    Broken(Failure),
}

async fn watch<K: Kind>(
    source: &Source,
    kind: &mut K,
    known: &mut BTreeMap<K::Key, K::Value>,
    version: &mut String,
    trouble: &mut Trouble,
    out: &Sender,
) -> Ended {
    let params = WatchParams {
        label_selector: source.labels.clone(),
        field_selector: source.fields.clone(),
        timeout: Some(WATCH_SECONDS),
        ..WatchParams::default()
    };
    let request = match Request::new(K::Object::url_path(&(), None)).watch(&params, version) {
        Ok(request) => request,
        Err(error) => return Ended::Broken(Failure::NotSent(error.to_string())),
    };
    tracing::info!("kubernetes WATCH {}", request.uri().path());
    let began = Instant::now();
    let opened = timeout(PATIENCE, source.client.request_events::<K::Object>(request)).await;
    let events = match opened {
        Err(_) => return Ended::Broken(Failure::Lost("the watch does not begin".to_owned())),
        Ok(Ok(events)) => events,
        Ok(Err(error)) => return ended(error.into()),
    };
    let mut events = Box::pin(events.ready_chunks(BATCH));
    let mut heard = false;
    loop {
        let Ok(next) = timeout(SILENCE, events.next()).await else {
            // It did work: whatever was wrong before is over.
            trouble.over();
            return Ended::Broken(Failure::Lost("the watch fell silent".to_owned()));
        };
        let Some(batch) = next else {
            // A server that ends watches at once would otherwise be asked again in a tight loop.
            let at_once = !heard && began.elapsed() < Duration::from_secs(1);
            return if at_once {
                Ended::Broken(Failure::Lost("the watch ended at once".to_owned()))
            } else {
                Ended::InOrder
            };
        };
        let mut changes = Vec::new();
        let mut end = None;
        for event in batch {
            match event {
                Ok(event) => match take(event, kind, known, version, &mut changes) {
                    None => heard = true,
                    Some(failure) => end = Some(ended(failure)),
                },
                Err(error) => end = Some(ended(error.into())),
            }
            if end.is_some() {
                break;
            }
        }
        if heard {
            trouble.over();
        }
        if !changes.is_empty() && out.send(Ok(changes)).await.is_err() {
            return Ended::Unheard;
        }
        if let Some(end) = end {
            return end;
        }
    }
}

fn take<K: Kind>(
    event: WatchEvent<K::Object>,
    kind: &mut K,
    known: &mut BTreeMap<K::Key, K::Value>,
    version: &mut String,
    changes: &mut Vec<Change>,
) -> Option<Failure> {
    match event {
        WatchEvent::Added(object) | WatchEvent::Modified(object) => {
            note(version, object.resource_version());
            let (key, value) = kind.read(object);
            if known.get(&key) != Some(&value) {
                changes.push(kind.change(value.clone()));
                known.insert(key, value);
            }
        }
        WatchEvent::Deleted(object) => {
            note(version, object.resource_version());
            let (key, _) = kind.read(object);
            let told = kind.gone(&key);
            if known.remove(&key).is_some() {
                changes.push(told);
            }
        }
        WatchEvent::Bookmark(mark) => *version = mark.metadata.resource_version,
        WatchEvent::Error(status) => return Some(status.into()),
    }
    None
}

fn ended(failure: Failure) -> Ended {
    match failure.code() {
        Some(410) => Ended::Expired,
        _ => Ended::Broken(failure),
    }
}

fn note(version: &mut String, seen: Option<String>) {
    if let Some(seen) = seen {
        *version = seen;
    }
}

/// How long to wait before the next attempt, and when a refusal counts as final.
#[derive(Default)]
pub(super) struct Trouble {
    attempts: u32,
    /// Refusals of any kind in a row that came as answers, not as broken connections.
    answers: u32,
    refusals: u32,
    refused_since: Option<Instant>,
    worked: bool,
}

impl Trouble {
    const SHORTEST: Duration = Duration::from_millis(200);
    const LONGEST: Duration = Duration::from_secs(5);
    /// A server that starts up refuses what it allows a moment later, while it reads its roles.
    const GRACE: Duration = Duration::from_secs(30);

    /// It worked.
    pub(super) fn over(&mut self) {
        *self = Self { worked: true, ..Self::default() };
    }

    /// Waits before another attempt, or gives up when rights or credentials are missing for good.
    pub(super) async fn wait(
        &mut self,
        failure: Failure,
        server: &str,
        verb: &str,
        what: &str,
    ) -> Result<(), PortError> {
        self.attempts += 1;
        self.answers = if failure.code().is_some() { self.answers + 1 } else { 0 };
        if failure.is_refused() {
            self.refusals += 1;
            let since = *self.refused_since.get_or_insert_with(Instant::now);
            if if self.worked { since.elapsed() >= Self::GRACE } else { self.refusals >= 3 } {
                return Err(failure.port(server, &format!("{verb} {what}")));
            }
        } else {
            self.refusals = 0;
            self.refused_since = None;
        }
        if self.attempts == 3 {
            tracing::warn!(server, reason = failure.line(), "cannot {verb} {what}, trying on");
        } else {
            tracing::debug!(server, reason = failure.line(), attempt = self.attempts, "cannot {verb} {what}");
        }
        let doubled = Self::SHORTEST.saturating_mul(1 << (self.attempts - 1).min(8));
        sleep(doubled.min(Self::LONGEST)).await;
        Ok(())
    }
}
