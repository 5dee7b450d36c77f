//! The files that the programs of a control plane are started with.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::User;

const PREFIX: &str = "control-plane-";

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

/// A new folder under target/tmp.
pub fn folder() -> TempDir {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    sweep(parent);
    let prefix = format!("{PREFIX}{}-", std::process::id());
    tempfile::Builder::new().prefix(&prefix).tempdir_in(parent).expect("a folder in target/tmp")
}

/// Puts the logs of a test that failed where the sweep leaves them.
pub fn keep_logs(folder: TempDir) -> PathBuf {
    let folder = folder.keep();
    // More than 100 MB, and of no use to a reader.
    let _ = std::fs::remove_dir_all(folder.join("etcd"));
    let name = folder.file_name().expect("it has a name").to_string_lossy().into_owned();
    let kept = folder.with_file_name(format!("failed-{name}"));
    if std::fs::rename(&folder, &kept).is_ok() { kept } else { folder }
}

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

/// Removes the folders of test programs that were killed: they could not do it themselves.
fn sweep(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        // Without /proc (macOS) nobody can be seen to be dead.
        if owner.is_some_and(|pid| Path::new("/proc/self").exists() && !Path::new("/proc").join(pid).exists()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn token(user: &str) -> String {
    format!("token-of-{user}")
}

fn put(folder: &Path, name: &str, content: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    path
}
