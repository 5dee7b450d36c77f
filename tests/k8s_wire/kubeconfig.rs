//! Kubeconfigs, good and bad.

use std::{fs, path::Path};

use mngup::{
    adapters::k8s::{Connection, KubeCluster},
    ports::{Cluster, Outcome, PortError},
};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    acts::evict,
    server::{Reply, Server, scope},
};

fn write(folder: &TempDir, text: &str) -> std::path::PathBuf {
    let path = folder.path().join("config");
    fs::write(&path, text).unwrap();
    path
}

fn config(server: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: shop\n\
         contexts:\n- name: shop\n  context: {{cluster: c, user: u}}\n- name: other\n  context: {{cluster: missing, user: u}}\n\
         clusters:\n- name: c\n  cluster: {{server: '{server}'}}\n\
         users:\n- name: u\n  user: {user}\n"
    )
}

async fn error(path: &Path, context: Option<&str>) -> PortError {
    match Connection::from_kubeconfig(Some(path), context).await {
        Ok(_) => panic!("it is good"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_kubeconfig_leads_to_its_server_with_its_token_and_our_name() {
    let server = Server::start(|_| Reply::Json(201, json!({ "kind": "Status", "status": "Success" }))).await;
    let folder = TempDir::new().unwrap();
    let path = write(&folder, &config(&server.url, "{token: from-the-file}"));
    let connection = Connection::from_kubeconfig(Some(&path), None).await.unwrap();
    assert_eq!(connection.server(), server.url);
    assert_eq!(KubeCluster::new(connection, scope()).act(&evict(None)).await, Outcome::Done);
    let sent = &server.log()[0];
    assert_eq!(sent.header("authorization"), "Bearer from-the-file");
    assert_eq!(sent.header("user-agent"), concat!("mngup/", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn a_429_is_not_tried_again_with_a_kubeconfig_either() {
    let server = Server::start(|_| Reply::Text(429, &[], "busy")).await;
    let folder = TempDir::new().unwrap();
    let path = write(&folder, &config(&server.url, "{}"));
    let connection = Connection::from_kubeconfig(Some(&path), None).await.unwrap();
    assert!(matches!(KubeCluster::new(connection, scope()).act(&evict(None)).await, Outcome::Refused(_)));
    assert_eq!(server.log().len(), 1);
}

#[tokio::test]
async fn a_missing_file_is_named() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("nowhere");
    assert_eq!(error(&path, None).await.to_string(), format!("kubeconfig {} does not exist", path.display()));
}

#[tokio::test]
async fn a_broken_file_is_named_with_the_line_and_not_quoted() {
    let folder = TempDir::new().unwrap();
    let path =
        write(&folder, "apiVersion: v1\nkind: Config\nusers:\n- name: u\n  user: {token: very-secret\nclusters: [\n");
    let said = error(&path, None).await;
    let text = format!("{said} {said:?}");
    assert!(text.contains(&path.display().to_string()) && text.contains("line "), "{text}");
    assert!(!text.contains("very-secret"), "{text}");
}

#[tokio::test]
async fn a_context_that_is_not_there_is_told_with_those_that_are() {
    let folder = TempDir::new().unwrap();
    let path = write(&folder, &config("https://127.0.0.1:1", "{}"));
    let PortError::NotFound { what, others } = error(&path, Some("shpo")).await else { panic!() };
    assert_eq!(what, format!("context \"shpo\" in kubeconfig {}", path.display()));
    assert_eq!(others, ["shop", "other"]);
    let said = error(&path, Some("other")).await.to_string();
    assert!(said.ends_with("names the cluster missing in a context, and has no such cluster"), "{said}");
}

#[tokio::test]
async fn a_file_without_a_current_context_says_which_there_are() {
    let folder = TempDir::new().unwrap();
    let text = config("https://127.0.0.1:1", "{}").replace("current-context: shop\n", "");
    let said = error(&write(&folder, &text), None).await.to_string();
    assert!(said.ends_with("has no current-context; give --context, one of: shop, other"), "{said}");
}

#[tokio::test]
async fn a_credential_command_that_fails_is_told_without_what_it_printed() {
    let folder = TempDir::new().unwrap();
    let exec = |script: &str| {
        format!(
            "{{exec: {{apiVersion: client.authentication.k8s.io/v1, command: sh, interactiveMode: Never, \
             env: [{{name: KEY, value: very-secret}}], args: [-c, '{script}']}}}}"
        )
    };
    for (script, expected) in [
        ("echo very-secret; echo the session ran out >&2; exit 3", "the session ran out"),
        ("echo very-secret", "did not print an ExecCredential"),
    ] {
        let path = write(&folder, &config("https://127.0.0.1:1", &exec(script)));
        let said = error(&path, None).await;
        let text = format!("{said} {said:?}");
        assert!(matches!(said, PortError::Credentials { .. }), "{text}");
        assert!(text.contains(expected) && text.contains("(sh)"), "{text}");
        assert!(!text.contains("very-secret"), "{text}");
    }
    let missing =
        "{exec: {apiVersion: client.authentication.k8s.io/v1, command: no-such-command, interactiveMode: Never}}";
    let path = write(&folder, &config("https://127.0.0.1:1", missing));
    assert!(error(&path, None).await.to_string().contains("(no-such-command)"));
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_named() {
    let folder = TempDir::new().unwrap();
    let path = write(&folder, &config("http://127.0.0.1:1", "{}"));
    let connection = Connection::from_kubeconfig(Some(&path), None).await.unwrap();
    let error = KubeCluster::new(connection, scope()).missing_rights(mngup::adapters::k8s::RIGHTS).await.unwrap_err();
    assert!(matches!(&error, PortError::Unreachable { server, .. } if server == "http://127.0.0.1:1"), "{error}");
}
