//! Events.

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1 as core,
    apimachinery::pkg::apis::meta::v1::{MicroTime, Time},
};

use crate::domain::{KubeEvent, Uid};

/// What client-go's recorder puts before a message that stands for several (`eventAggregator`).
const COMBINED: &str = "(combined from similar events): ";

/// An event, of either style: the old counts in it, the new one has a series.
pub(in crate::adapters::k8s) fn event(event: core::Event) -> KubeEvent {
    let plain = |time: Option<Time>| time.map(|Time(at)| at);
    let exact = |time: Option<MicroTime>| time.map(|MicroTime(at)| at);
    let message = event.message.unwrap_or_default();
    let series = event.series.unwrap_or_default();
    let source = event.source.and_then(|source| source.component);
    let created = plain(event.metadata.creation_timestamp);
    let once: Option<Timestamp> = exact(event.event_time);
    let first = plain(event.first_timestamp).or(once).or(created);
    let last = exact(series.last_observed_time).or(plain(event.last_timestamp)).or(once).or(first);
    let reporter = event.reporting_component.filter(|name| !name.is_empty()).or(source);
    KubeEvent {
        reason: event.reason.unwrap_or_default(),
        message: message.strip_prefix(COMBINED).unwrap_or(&message).trim().to_owned(),
        warning: event.type_.as_deref() == Some("Warning"),
        count: series.count.or(event.count).and_then(|count| u32::try_from(count).ok()).map_or(1, |count| count.max(1)),
        first,
        last,
        reporter: reporter.unwrap_or_default(),
        about: event.involved_object.uid.filter(|uid| !uid.is_empty()).map(Uid::new),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> KubeEvent {
        event(serde_json::from_value(value).unwrap())
    }

    #[test]
    fn an_event_of_the_old_style_is_read_and_its_prefix_is_no_part_of_the_message() {
        let event = read(json!({
            "metadata": { "name": "cart-1.18", "creationTimestamp": "2026-01-01T00:00:00Z" },
            "involvedObject": { "kind": "Pod", "name": "cart-1", "uid": "u1" },
            "reason": "Unhealthy", "type": "Warning", "count": 7,
            "message": "(combined from similar events): Readiness probe failed: HTTP probe failed with statuscode: 503",
            "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:05:00Z",
            "source": { "component": "kubelet", "host": "n1" }, "reportingComponent": "",
        }));
        assert_eq!(event.message, "Readiness probe failed: HTTP probe failed with statuscode: 503");
        assert!(event.warning && event.count == 7 && event.reporter == "kubelet", "{event:?}");
        assert_eq!(event.last, Some("2026-01-01T00:05:00Z".parse().unwrap()));
        assert_eq!(event.about, Some(Uid::new("u1")));
    }

    #[test]
    fn an_event_of_the_new_style_has_its_count_and_last_time_in_a_series() {
        let event = read(json!({
            "metadata": { "name": "cart-1.19", "creationTimestamp": "2026-01-01T00:00:00Z" },
            "involvedObject": {}, "reason": "FailedScheduling", "type": "Warning",
            "firstTimestamp": null, "lastTimestamp": null, "eventTime": "2026-01-01T00:00:01.5Z",
            "series": { "count": 3, "lastObservedTime": "2026-01-01T00:02:00.5Z" },
            "reportingComponent": "default-scheduler",
        }));
        assert_eq!((event.count, event.reporter.as_str()), (3, "default-scheduler"));
        assert_eq!(event.first, Some("2026-01-01T00:00:01.5Z".parse().unwrap()));
        assert_eq!(event.last, Some("2026-01-01T00:02:00.5Z".parse().unwrap()));
        assert_eq!(event.about, None);
    }
}
