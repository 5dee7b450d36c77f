//! List and watch of one kind of object, mended when it breaks.
//!
//! Own code, not `kube::runtime::watcher`: what disappeared during a gap must be told by name, a refusal must surface as
//! the right that is missing, and a watch that ends in order goes on from where it was without a list.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::StreamExt;
use kube::{
    Client, Resource, ResourceExt,
    api::{ListParams, ObjectList, WatchEvent, WatchParams},
    core::Request,
};
use serde::de::DeserializeOwned;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};

use super::{
    answer::{Failure, PATIENCE, fetch_list},
    trouble::Trouble,
};
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

/// The annotation of the bookmark behind which a streamed list is complete
/// (`metav1.InitialEventsAnnotationKey` in apimachinery).
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// Watches that begin with everything there is, which saves the list.
#[derive(Clone)]
pub(super) struct Streams {
    /// False once the server turned out not to have them; shared by all that ask it.
    pub(super) offered: Arc<AtomicBool>,
    /// A server that is silent for so long in the beginning does not know them, or is so busy that a list is no worse.
    pub(super) first_events: Duration,
}

/// What is listed and watched.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) client: Client,
    pub(super) server: Arc<str>,
    pub(super) fields: Option<String>,
    pub(super) labels: Option<String>,
    pub(super) streams: Option<Streams>,
}

impl Source {
    /// Everything of this kind.
    pub(super) fn all(client: Client, server: Arc<str>) -> Self {
        Self { client, server, fields: None, labels: None, streams: None }
    }

    fn streams(&self) -> bool {
        self.streams.as_ref().is_some_and(|streams| streams.offered.load(Ordering::Relaxed))
    }

    fn never_stream_again(&self) {
        tracing::info!(server = %self.server, "no streamed lists here (feature WatchList), listing instead");
        if let Some(streams) = &self.streams {
            streams.offered.store(false, Ordering::Relaxed);
        }
    }

    /// What is read of all objects, and the version they were read at. Page by page: of a page no more is kept than
    /// what is read, for the objects themselves are ten times that.
    pub(super) async fn list<K, T>(
        &self,
        namespace: Option<&str>,
        mut read: impl FnMut(K) -> T,
    ) -> Result<(Vec<T>, String), Failure>
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
            let page: ObjectList<K> = match fetch_list(&self.client, request.list(&params)).await {
                // The pages' snapshot was compacted away under us: begin again.
                Err(failure) if params.continue_token.is_some() && failure.code() == Some(410) => {
                    items.clear();
                    params.continue_token = None;
                    continue;
                }
                page => page?,
            };
            items.extend(page.items.into_iter().map(&mut read));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params.continue_token = Some(token),
                None => return Ok((items, page.metadata.resource_version.unwrap_or_default())),
            }
        }
    }
}

/// Lists, watches, and tells of every change until nobody listens or a right is missing for good.
pub(super) async fn follow<K: Kind>(source: Source, kind: K, out: Sender) {
    let mut view = View { kind, known: BTreeMap::new(), version: None, complete: false, out };
    let mut trouble = Trouble::default();
    loop {
        let ended = match view.version {
            // A list can tell by name what cannot be read of it, and a watch cannot.
            None if !source.streams() || trouble.has_unread() => list(&source, &mut view, &mut trouble).await,
            _ => watch(&source, &mut view, &mut trouble).await,
        };
        match ended {
            Ended::InOrder => {}
            Ended::Expired => view.version = None,
            Ended::NoStream => source.never_stream_again(),
            Ended::Unheard => return,
            Ended::Broken(verb, failure) => match trouble.wait(failure, &source.server, verb, K::WHAT).await {
                // An event that cannot be read is not left out: what it was about is not known any more.
                Ok(()) if trouble.has_unread() => view.version = None,
                // A server that keeps refusing this place may have lost its history: look at everything again.
                Ok(()) if trouble.is_answered() => view.version = None,
                Ok(()) => {}
                Err(error) => return drop(view.out.send(Err(error)).await),
            },
        }
    }
}

/// How a list or a watch came to its end.
enum Ended {
    InOrder,
    /// The server no longer knows what happened since our version.
    Expired,
    /// The server cannot begin a watch with what there is.
    NoStream,
    /// Nobody listens any more.
    Unheard,
    /// With the verb that failed.
    Broken(&'static str, Failure),
}

impl Ended {
    fn watching(failure: Failure) -> Self {
        match failure.code() {
            Some(410) => Self::Expired,
            _ => Self::Broken("watch", failure),
        }
    }
}

/// What is known of a kind.
struct View<K: Kind> {
    kind: K,
    known: BTreeMap<K::Key, K::Value>,
    /// Where the next watch begins; none before everything was looked at.
    version: Option<String>,
    /// Whether it was told that the first list is complete.
    complete: bool,
    out: Sender,
}

impl<K: Kind> View<K> {
    /// Tells of changes; false when nobody listens.
    async fn tell(&self, changes: Vec<Change>) -> bool {
        changes.is_empty() || self.out.send(Ok(changes)).await.is_ok()
    }

    /// Compares everything there is with what was known: what is new or different, and what disappeared unseen.
    fn relist(&mut self, all: Vec<(K::Key, K::Value)>, version: String) -> Vec<Change> {
        let mut before = std::mem::take(&mut self.known);
        let mut changed = Vec::new();
        for (key, value) in all {
            if before.remove(&key).as_ref() != Some(&value) {
                changed.push(self.kind.change(value.clone()));
            }
            self.known.insert(key, value);
        }
        self.version = Some(version);
        // What is gone is told first: a pod's name may have come back under another uid.
        let mut changes: Vec<Change> = before.into_keys().map(|key| self.kind.gone(&key)).collect();
        changes.extend(changed);
        if !self.complete {
            self.complete = true;
            changes.push(self.kind.complete());
        }
        changes
    }

    fn saw(&mut self, object: K::Object) -> Option<Change> {
        self.note(object.resource_version());
        let (key, value) = self.kind.read(object);
        if self.known.get(&key) == Some(&value) {
            return None;
        }
        self.known.insert(key, value.clone());
        Some(self.kind.change(value))
    }

    fn lost(&mut self, object: K::Object) -> Option<Change> {
        self.note(object.resource_version());
        let (key, _) = self.kind.read(object);
        let told = self.kind.gone(&key);
        self.known.remove(&key).map(|_| told)
    }

    fn note(&mut self, seen: Option<String>) {
        self.version = seen.or(self.version.take());
    }
}

async fn list<K: Kind>(source: &Source, view: &mut View<K>, trouble: &mut Trouble) -> Ended {
    match source.list(None, |object| view.kind.read(object)).await {
        Ok((all, version)) => {
            trouble.over();
            trouble.all_read();
            let changes = view.relist(all, version);
            if view.tell(changes).await { Ended::InOrder } else { Ended::Unheard }
        }
        Err(failure) => Ended::Broken("list", failure),
    }
}

/// Watches from the version on; without one, the watch begins with everything there is.
async fn watch<K: Kind>(source: &Source, view: &mut View<K>, trouble: &mut Trouble) -> Ended {
    let mut gathered = view.version.is_none().then(BTreeMap::new);
    let first_events = source.streams.as_ref().map_or(SILENCE, |streams| streams.first_events);
    let params = WatchParams {
        label_selector: source.labels.clone(),
        field_selector: source.fields.clone(),
        timeout: Some(WATCH_SECONDS),
        send_initial_events: gathered.is_some(),
        ..WatchParams::default()
    };
    let version = view.version.as_deref().unwrap_or_default();
    let request = match Request::new(K::Object::url_path(&(), None)).watch(&params, version) {
        Ok(request) => request,
        Err(error) => return Ended::Broken("watch", Failure::NotSent(error.to_string())),
    };
    tracing::info!("kubernetes WATCH {}", request.uri().path());
    let began = Instant::now();
    let opened = timeout(PATIENCE, source.client.request_events::<K::Object>(request)).await;
    let events = match opened.map(|opened| opened.map_err(Failure::from)) {
        Err(_) => return Ended::Broken("watch", Failure::Lost("the watch does not begin".to_owned())),
        Ok(Ok(events)) => events,
        // Invalid, or a bad request: this server does not know the parameter or has it switched off.
        Ok(Err(failure)) if gathered.is_some() && matches!(failure.code(), Some(400 | 422)) => return Ended::NoStream,
        Ok(Err(failure)) => return Ended::watching(failure),
    };
    let mut events = Box::pin(events.ready_chunks(BATCH));
    let mut heard = false;
    loop {
        let patience = if gathered.is_some() { first_events } else { SILENCE };
        let Ok(next) = timeout(patience, events.next()).await else {
            if gathered.is_some() {
                return Ended::NoStream;
            }
            // It did work: whatever was wrong before is over.
            trouble.over();
            return Ended::Broken("watch", Failure::Lost("the watch fell silent".to_owned()));
        };
        let Some(batch) = next else {
            if gathered.is_some() {
                return Ended::Broken("watch", Failure::Lost("the watch ended before everything was sent".to_owned()));
            }
            // A server that ends watches at once would otherwise be asked again in a tight loop.
            let at_once = !heard && began.elapsed() < Duration::from_secs(1);
            return if at_once {
                Ended::Broken("watch", Failure::Lost("the watch ended at once".to_owned()))
            } else {
                Ended::InOrder
            };
        };
        let mut changes = Vec::new();
        let mut end = None;
        for event in batch {
            let event = event.map_err(Failure::from);
            match event.and_then(|event| take(event, view, &mut gathered, &mut changes)) {
                Ok(()) => heard = true,
                Err(failure) => {
                    end = Some(Ended::watching(failure));
                    break;
                }
            }
        }
        if heard {
            trouble.over();
        }
        if !view.tell(changes).await {
            return Ended::Unheard;
        }
        if let Some(end) = end {
            return end;
        }
    }
}

/// Takes in an event; until the mark that it was all, what there is is gathered.
fn take<K: Kind>(
    event: WatchEvent<K::Object>,
    view: &mut View<K>,
    gathered: &mut Option<BTreeMap<K::Key, K::Value>>,
    changes: &mut Vec<Change>,
) -> Result<(), Failure> {
    match (event, &mut *gathered) {
        (WatchEvent::Error(status), _) => return Err(status.into()),
        (WatchEvent::Added(object) | WatchEvent::Modified(object), Some(all)) => all.extend([view.kind.read(object)]),
        (WatchEvent::Deleted(object), Some(all)) => drop(all.remove(&view.kind.read(object).0)),
        (WatchEvent::Bookmark(mark), Some(all)) => {
            if mark.metadata.annotations.contains_key(INITIAL_EVENTS_END) {
                let all = std::mem::take(all).into_iter().collect();
                changes.extend(view.relist(all, mark.metadata.resource_version));
                *gathered = None;
            }
        }
        (WatchEvent::Added(object) | WatchEvent::Modified(object), None) => changes.extend(view.saw(object)),
        (WatchEvent::Deleted(object), None) => changes.extend(view.lost(object)),
        (WatchEvent::Bookmark(mark), None) => view.version = Some(mark.metadata.resource_version),
    }
    Ok(())
}
