//! Images that cannot be had, by what the registry answers.

use super::{finding, ways};
use crate::{
    diagnose::scene::Scene,
    domain::{By, Cause, Container, Finding, Pod},
};

/// What a registry answers, as the kubelet passes it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::diagnose) enum Registry {
    RateLimit,
    Network,
    Denied,
    Processor,
    NotFound,
    Other,
}

impl Registry {
    /// Sorts its words. A registry that says "does not exist or may require authorization" hides which of the two it is.
    pub(in crate::diagnose) fn of(reason: &str, words: &str) -> Self {
        let words = words.to_lowercase();
        let says = |any: &[&str]| any.iter().any(|part| words.contains(part));
        if says(&["toomanyrequests", "too many requests", "rate limit", "429 "]) {
            Self::RateLimit
        } else if says(&[
            "i/o timeout",
            "no such host",
            "connection refused",
            "tls handshake",
            "deadline exceeded",
            "dial tcp",
        ]) {
            Self::Network
        } else if says(&["denied", "unauthorized", "authorization", "no basic auth", "403 forbidden", "401 "]) {
            Self::Denied
        } else if says(&["no match for platform", "no matching manifest", "no child with platform"]) {
            Self::Processor
        } else if reason == "InvalidImageName" || says(&["not found", "manifest unknown", "does not exist"]) {
            Self::NotFound
        } else {
            Self::Other
        }
    }

    fn says(self) -> Option<&'static str> {
        match self {
            Self::RateLimit => Some("the registry has had too many requests and lets nobody pull for a while"),
            Self::Network => Some("the node does not reach the registry"),
            Self::Denied => Some("the registry does not let this node pull it, or has none of that name"),
            Self::Processor => Some("the image was not built for the processors of this node"),
            Self::NotFound => Some("the registry has no such image"),
            Self::Other => None,
        }
    }
}

pub(super) fn pull(
    scene: &Scene<'_>,
    pod: &Pod,
    container: &Container,
    reason: &str,
    message: Option<&str>,
) -> Finding {
    let read = scene.events_of(pod);
    let events = read.clone().known().unwrap_or_default();
    let failed = events.iter().rfind(|event| event.reason == "Failed" && event.message.starts_with("Failed to pull"));
    let words = failed.map(|event| event.message.as_str()).or(message).unwrap_or_default();
    let answer = Registry::of(reason, words);
    let says = format!("the image {} of {} cannot be had", container.image, pod.id);
    let found = finding(Cause::PodImagePull, pod, says);
    let found = match answer.says() {
        Some(says) => found.by(By::Status, says),
        None => found.cannot_tell("what the registry answers", &read),
    };
    let found = match failed {
        Some(event) => found.by(By::Event, event.message.trim()),
        None => {
            found.by(By::Status, message.map_or_else(|| reason.to_owned(), |message| format!("{reason}: {message}")))
        }
    };
    found.since(Some(pod.created_at)).remedies(ways::image_pull(scene, pod, answer))
}
