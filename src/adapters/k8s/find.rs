//! Nodes and pods by name, for whoever does not know their group yet.

use k8s_openapi::api::core::v1 as core;
use kube::{Resource, ResourceExt, api::GetParams, core::Request};

use super::{answer::fetch, client::Connection, convert, follow::Source};
use crate::{
    domain::{Node, NodeName},
    ports::PortError,
};

impl Connection {
    /// The node that is called so, or the only one that begins so before its first dot.
    ///
    /// # Errors
    /// [`PortError::NotFound`] with the names of all nodes, or whatever kept us from asking.
    pub async fn node(&self, name: &str) -> Result<Node, PortError> {
        let request = Request::new(core::Node::url_path(&(), None)).get(name, &GetParams::default());
        match fetch::<core::Node>(&self.client, request).await {
            Ok(node) => return Ok(convert::node(node)),
            Err(failure) if failure.code() == Some(404) => {}
            Err(failure) => return Err(failure.port(self.server(), "get nodes")),
        }
        let listed = self.everywhere().list(None, |node: core::Node| convert::node(node)).await;
        let (mut nodes, _) = listed.map_err(|failure| failure.port(self.server(), "list nodes"))?;
        let others = nodes.iter().map(|node| node.name.to_string()).collect();
        nodes.retain(|node| node.name.as_str().split('.').next() == Some(name));
        match nodes.pop() {
            Some(node) if nodes.is_empty() => Ok(node),
            Some(_) | None => Err(PortError::NotFound { what: format!("node/{name}"), others }),
        }
    }

    /// The node that this pod is on, if it has one.
    ///
    /// # Errors
    /// [`PortError::NotFound`] with the pods of the namespace, or whatever kept us from asking.
    pub async fn node_of_pod(&self, namespace: &str, name: &str) -> Result<Option<NodeName>, PortError> {
        let request = Request::new(core::Pod::url_path(&(), Some(namespace))).get(name, &GetParams::default());
        match fetch::<core::Pod>(&self.client, request).await {
            Ok(pod) => return Ok(convert::pod(pod).node),
            Err(failure) if failure.code() == Some(404) => {}
            Err(failure) => return Err(failure.port(self.server(), &format!("get pods in namespace {namespace}"))),
        }
        // They are only a help: who may not list them is not told of them.
        let listed = self.everywhere().list(Some(namespace), |pod: core::Pod| pod.name_any()).await;
        let others = listed.map(|(names, _)| names).unwrap_or_default();
        Err(PortError::NotFound { what: format!("pod/{namespace}/{name}"), others })
    }

    fn everywhere(&self) -> Source {
        Source::all(self.client.clone(), self.server().into())
    }
}
