//! The files that the programs of a control plane are started with.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::User;

/// All that the audit log needs: one line for each request that was answered.
const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
";

/// What kwok plays in place of kubelets.
const STAGES: &str = include_str!("../../control-plane/stages.yaml");

/// Writes the files that are the same for all, and the tokens of the users.
pub fn write(folder: &Path, users: &[User]) {
    put(folder, "audit-policy.yaml", AUDIT_POLICY);
    put(folder, "stages.yaml", STAGES);
    let mut tokens = String::new();
    for user in users {
        writeln!(tokens, "{0},{1},{1},\"{2}\"", token(&user.name), user.name, user.groups.join(","))
            .expect("to a String");
    }
    put(folder, "tokens.csv", &tokens);
}

/// Writes a kubeconfig for the user, who logs in with the static token.
pub fn write_kubeconfig(folder: &Path, url: &str, user: &str) -> PathBuf {
    let content = format!(
        "\
apiVersion: v1
kind: Config
current-context: live
clusters:
- name: live
  cluster:
    server: {url}
    certificate-authority: {}
contexts:
- name: live
  context:
    cluster: live
    user: {user}
users:
- name: {user}
  user:
    token: {}
",
        folder.join("certs/apiserver.crt").display(),
        token(user)
    );
    put(folder, &format!("{user}.kubeconfig"), &content)
}

/// Writes the kubeconfig that tells the API server whom to ask about tokens it does not know.
pub fn write_token_webhook(folder: &Path, url: &str) -> PathBuf {
    let content = format!(
        "\
apiVersion: v1
kind: Config
current-context: webhook
clusters:
- name: webhook
  cluster:
    server: {url}
contexts:
- name: webhook
  context:
    cluster: webhook
"
    );
    put(folder, "token-webhook.yaml", &content)
}

fn token(user: &str) -> String {
    format!("token-of-{user}")
}

fn put(folder: &Path, name: &str, content: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    path
}
