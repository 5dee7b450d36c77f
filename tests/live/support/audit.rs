//! The API server's own record of who asked for what.

use std::path::Path;

use serde::Deserialize;

/// One request that the API server answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditEntry {
    /// Who asked, by name.
    pub user: String,
    /// What the client calls itself.
    pub user_agent: String,
    /// get, list, watch, create, update, patch, delete, …
    pub verb: String,
    /// The path and query.
    pub uri: String,
    /// The kind in the plural: pods, nodes, …; empty for paths that name no object.
    pub resource: String,
    /// eviction, status, …; empty for the object itself.
    pub subresource: String,
    /// Empty for kinds without one.
    pub namespace: String,
    /// Empty for lists.
    pub name: String,
    /// The HTTP status.
    pub code: u16,
    /// `ResponseComplete`, or `ResponseStarted` for a watch that goes on.
    pub stage: String,
    /// When the request came, RFC 3339 with microseconds: the text sorts as the time does.
    pub received: String,
}

/// All whole lines of an audit log; the last may still be on its way.
pub fn read(path: &Path) -> Vec<AuditEntry> {
    let log = std::fs::read_to_string(path).expect("the audit log is there");
    let whole = log.rfind('\n').map_or("", |end| &log[..end]);
    whole
        .lines()
        .map(|line| serde_json::from_str::<Line>(line).unwrap_or_else(|error| panic!("audit log: {error}: {line}")))
        .map(AuditEntry::from)
        .collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    #[serde(default)]
    user: Named,
    #[serde(default)]
    user_agent: String,
    verb: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    #[serde(default)]
    object_ref: ObjectRef,
    #[serde(default)]
    response_status: Status,
    stage: String,
    request_received_timestamp: String,
}

#[derive(Default, Deserialize)]
struct Named {
    #[serde(default)]
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ObjectRef {
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    code: u16,
}

impl From<Line> for AuditEntry {
    fn from(line: Line) -> Self {
        Self {
            user: line.user.username,
            user_agent: line.user_agent,
            verb: line.verb,
            uri: line.request_uri,
            resource: line.object_ref.resource,
            subresource: line.object_ref.subresource,
            namespace: line.object_ref.namespace,
            name: line.object_ref.name,
            code: line.response_status.code,
            stage: line.stage,
            received: line.request_received_timestamp,
        }
    }
}
