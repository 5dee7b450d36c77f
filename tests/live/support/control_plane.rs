//! A real control plane of a test's own: etcd, API server, controllers, scheduler, and kwok as the kubelets.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::audit::{self, AuditEntry};
use super::binaries::Binaries;
use super::process::{Process, free_port};
use super::{eventually, files};

/// Time for one program to get ready on a busy machine; it takes a few seconds on an idle one.
const START: Duration = Duration::from_secs(90);

/// How a control plane is started.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// An HTTP address that gets a `TokenReview` (v1) for each token that is not a static one.
    pub token_webhook: Option<String>,
    /// Users with a static token besides `admin`; their rights come from RBAC.
    pub users: Vec<User>,
}

/// Somebody with a static token.
#[derive(Debug, Clone)]
pub struct User {
    /// A plain word: it names the kubeconfig too.
    pub name: String,
    /// The groups that RBAC sees.
    pub groups: Vec<String>,
}

impl User {
    fn master(name: &str) -> Self {
        Self { name: name.to_owned(), groups: vec!["system:masters".to_owned()] }
    }
}

/// A running control plane; all of it ends when this is dropped, or when the test program dies.
#[derive(Debug)]
pub struct ControlPlane {
    binaries: Binaries,
    clients: Vec<Process>,
    apiserver: Process,
    etcd: Process,
    apiserver_args: Vec<String>,
    url: String,
    folder: Option<TempDir>,
}

impl ControlPlane {
    /// The programs, or `None` where they were not built; says once how to build them, and panics where they are required.
    pub fn find_binaries() -> Option<Binaries> {
        Binaries::find()
    }

    /// Starts one, or gives `None` where the programs were not built, and then says once how to build them.
    pub fn start_or_skip(options: &Options) -> Option<Self> {
        Self::find_binaries().map(|binaries| Self::start(binaries, options))
    }

    /// Starts one on free ports, and returns when the API server is ready and the rest was started.
    pub fn start(binaries: Binaries, options: &Options) -> Self {
        let temp = files::folder();
        let folder = temp.path();

        // A user each, so that the audit log tells them from the tool under test.
        let mut users: Vec<User> =
            ["admin", "kube-controller-manager", "kube-scheduler", "kwok"].map(User::master).into();
        users.extend(options.users.iter().cloned());
        files::write(folder, &users);

        let (etcd_port, peer_port, port) = (free_port(), free_port(), free_port());
        let url = format!("https://127.0.0.1:{port}");
        for user in &users {
            files::write_kubeconfig(folder, &url, &user.name);
        }
        let webhook = options.token_webhook.as_ref().map(|url| files::write_token_webhook(folder, url));

        let etcd = Process::start("etcd", &binaries.program("etcd"), &etcd_args(folder, etcd_port, peer_port), folder);
        let apiserver_args = apiserver_args(&binaries, folder, etcd_port, port, webhook.as_deref());
        let apiserver = Process::start("kube-apiserver", &binaries.program("kube-apiserver"), &apiserver_args, folder);
        let mut this = Self { binaries, clients: Vec::new(), apiserver, etcd, apiserver_args, url, folder: Some(temp) };
        this.wait_until_ready();
        this.start_clients();
        this
    }

    /// Where the API server listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What a client needs to trust the API server: its certificate and the CA that signed it.
    pub fn ca_pem(&self) -> String {
        std::fs::read_to_string(self.path("certs/apiserver.crt")).expect("the API server wrote its certificate")
    }

    /// The kubeconfig of `admin`, who may do everything.
    pub fn admin_kubeconfig(&self) -> PathBuf {
        self.kubeconfig("admin")
    }

    /// The kubeconfig of a user named in the options.
    pub fn kubeconfig(&self, user: &str) -> PathBuf {
        self.path(&format!("{user}.kubeconfig"))
    }

    /// The folder that holds all of its files; each of its processes has it on the command line.
    pub fn folder(&self) -> &Path {
        self.folder.as_ref().expect("there until dropped").path()
    }

    /// What kubectl prints as `admin`; panics with its complaint when it fails.
    pub fn kubectl(&self, args: &[&str]) -> String {
        self.kubectl_try(args).unwrap_or_else(|complaint| panic!("kubectl {}: {complaint}", args.join(" ")))
    }

    /// What kubectl prints as `admin`, or its complaint.
    pub fn kubectl_try(&self, args: &[&str]) -> Result<String, String> {
        answer(&self.kubectl_command(args).stdin(Stdio::null()).output().expect("kubectl runs"))
    }

    /// What kubectl prints as a user named in the options, or its complaint.
    #[allow(dead_code, reason = "for the benchmark, which counts kubectl's own requests")]
    pub fn kubectl_as(&self, user: &str, args: &[&str]) -> Result<String, String> {
        answer(&self.kubectl_command_as(user, args).stdin(Stdio::null()).output().expect("kubectl runs"))
    }

    /// What a line prints in a shell of a user named in the options, whose kubectl points to this cluster; or its complaint.
    pub fn shell(&self, user: &str, line: &str) -> Result<String, String> {
        let folder = self.binaries.program("kubectl");
        let folders = folder.parent().map(Path::to_owned).into_iter();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(folders.chain(std::env::split_paths(&path))).expect("folders without colons");
        let mut shell = Command::new("sh");
        shell.args(["-e", "-c", line]).env("PATH", path).env("KUBECONFIG", self.kubeconfig(user));
        // What a line writes into a file, a later one reads.
        shell.current_dir(self.folder());
        // Not in the home folder, where another control plane may have had the same port.
        shell.env("HOME", self.folder()).stdin(Stdio::null());
        answer(&shell.output().expect("sh runs"))
    }

    /// Creates or changes the objects of a YAML text.
    pub fn apply(&self, yaml: &str) {
        // Server side: one request for each object, and a status in the text is written where creating takes one.
        let mut kubectl = self
            .kubectl_command(&["apply", "--server-side", "--force-conflicts", "-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl runs");
        kubectl.stdin.take().expect("piped").write_all(yaml.as_bytes()).expect("kubectl reads");
        let output = kubectl.wait_with_output().expect("kubectl ends");
        answer(&output).unwrap_or_else(|complaint| panic!("kubectl apply: {complaint}\n{yaml}"));
    }

    /// Every request that the API server has answered so far, in the order of the log.
    pub fn audit(&self) -> Vec<AuditEntry> {
        audit::read(&self.path("audit.log"))
    }

    /// Kills the API server and starts it again on the same port and data; returns when it is ready.
    pub fn restart_apiserver(&mut self) {
        self.apiserver.kill();
        self.apiserver = Process::start(
            "kube-apiserver",
            &self.binaries.program("kube-apiserver"),
            &self.apiserver_args,
            self.folder(),
        );
        self.wait_until_ready();
    }

    /// Lets the controllers stand still: they answer nobody, and nobody takes their place.
    pub fn freeze_controllers(&self) {
        self.controllers().signal("STOP");
    }

    /// Lets them go on.
    pub fn thaw_controllers(&self) {
        self.controllers().signal("CONT");
    }

    /// Starts the controller that judges kubelets by their Leases: without a sign of life for this long a Node's conditions
    /// become Unknown. It does not run otherwise, nor does kwok renew Leases: on a busy machine it may be late.
    pub fn judge_kubelets(&mut self, patience: Duration) {
        let kwok = self.clients.iter_mut().find(|process| process.is("kwok")).expect("it was started");
        kwok.kill();
        // It renews each at a quarter of this.
        let lease = format!("--node-lease-duration-seconds={}", patience.as_secs() / 2);
        let args = [self.kwok_args(), vec![lease]].concat();
        let anew = Process::start("kwok", &self.binaries.program("kwok"), &args, self.folder());
        self.clients.retain(|process| !process.is("kwok"));
        self.clients.push(anew);
        let args = [
            client_args(),
            strings(&["--controllers=node-lifecycle-controller", "--node-monitor-period=1s"]),
            vec![
                format!("--node-monitor-grace-period={}s", patience.as_secs()),
                flag("kubeconfig", &self.kubeconfig("kube-controller-manager")),
            ],
        ];
        let program = self.binaries.program("kube-controller-manager");
        let process = Process::start("node-lifecycle-controller", &program, &args.concat(), self.folder());
        self.clients.push(process);
    }

    fn kwok_args(&self) -> Vec<String> {
        vec![
            "--manage-all-nodes".to_owned(),
            flag("config", &self.path("stages.yaml")),
            flag("kubeconfig", &self.kubeconfig("kwok")),
        ]
    }

    fn controllers(&self) -> &Process {
        self.clients.iter().find(|process| process.is("kube-controller-manager")).expect("it was started")
    }

    /// Ends all of it; dropping does the same.
    pub fn stop(self) {
        drop(self);
    }

    fn start_clients(&mut self) {
        let controllers = client_args();
        let manager = [
            controllers.clone(),
            strings(&[
                "--use-service-account-credentials=false",
                // kwok is no kubelet: these would take nodes away that it plays, or wait for a cloud that is not there.
                "--controllers=*,-node-lifecycle-controller,-cloud-node-lifecycle-controller",
            ]),
            vec![
                flag("service-account-private-key-file", &self.binaries.program("service-account.key")),
                flag("root-ca-file", &self.path("certs/apiserver.crt")),
                flag("kubeconfig", &self.kubeconfig("kube-controller-manager")),
            ],
        ];
        let scheduler = [controllers, vec![flag("kubeconfig", &self.kubeconfig("kube-scheduler"))]];
        let kwok = self.kwok_args();
        for (name, args) in
            [("kube-controller-manager", manager.concat()), ("kube-scheduler", scheduler.concat()), ("kwok", kwok)]
        {
            let process = Process::start(name, &self.binaries.program(name), &args, self.folder());
            self.clients.push(process);
        }
    }

    /// Ready is more than /readyz: the namespaces that tests use come a moment later.
    fn wait_until_ready(&mut self) {
        eventually(START, "the API server is ready", || {
            for process in [&mut self.etcd, &mut self.apiserver] {
                if let Some(obituary) = process.obituary() {
                    panic!("{obituary}");
                }
            }
            self.kubectl_try(&["get", "--raw", "/readyz"]).ok()?;
            self.kubectl_try(&["get", "namespace", "default", "kube-system", "kube-node-lease"]).ok()
        });
    }

    fn kubectl_command(&self, args: &[&str]) -> Command {
        self.kubectl_command_as("admin", args)
    }

    fn kubectl_command_as(&self, user: &str, args: &[&str]) -> Command {
        let mut command = Command::new(self.binaries.program("kubectl"));
        command
            .arg("--kubeconfig")
            .arg(self.kubeconfig(user))
            // Not in the home folder, where another control plane may have had the same port.
            .arg("--cache-dir")
            .arg(self.path("kubectl-cache"))
            .args(args)
            .env_remove("KUBECONFIG");
        command
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        let failed = std::thread::panicking();
        // Each ends before the server that it talks to.
        for process in self.clients.iter_mut().chain([&mut self.apiserver, &mut self.etcd]) {
            if let Some(obituary) = process.obituary().filter(|_| failed) {
                eprintln!("{obituary}");
            }
            process.kill();
        }
        if let Some(folder) = self.folder.take().filter(|_| failed) {
            eprintln!("the logs of the control plane are kept in {}", files::keep_logs(folder).display());
        }
    }
}

fn client_args() -> Vec<String> {
    strings(&[
        // Unthrottled, or the controllers and not the tool would set the pace of every test.
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
        "--leader-elect=false",
        // No listener: several control planes run side by side.
        "--secure-port=0",
    ])
}

fn etcd_args(folder: &Path, port: u16, peer_port: u16) -> Vec<String> {
    let (client, peer) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{peer_port}"));
    vec![
        flag("data-dir", &folder.join("etcd")),
        // The data need not survive the machine; waiting for the disk makes every write several times slower.
        "--unsafe-no-fsync".to_owned(),
        "--log-level=error".to_owned(),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
    ]
}

fn apiserver_args(binaries: &Binaries, folder: &Path, etcd: u16, port: u16, webhook: Option<&Path>) -> Vec<String> {
    let mut args = strings(&[
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        // The service `kubernetes` must not point to a loopback address, and nobody here uses it.
        "--endpoint-reconciler-type=none",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--service-account-issuer=https://kubernetes.default",
        "--authorization-mode=RBAC",
        // Pods without a service account of their own; nodes without taints that only a controller we leave out takes off.
        "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition",
        // One file, never rotated: tests count its lines.
        "--audit-log-maxsize=0",
    ]);
    args.extend([
        format!("--etcd-servers=http://127.0.0.1:{etcd}"),
        format!("--secure-port={port}"),
        flag("cert-dir", &folder.join("certs")),
        flag("token-auth-file", &folder.join("tokens.csv")),
        flag("service-account-key-file", &binaries.program("service-account.crt")),
        flag("service-account-signing-key-file", &binaries.program("service-account.key")),
        flag("audit-policy-file", &folder.join("audit-policy.yaml")),
        flag("audit-log-path", &folder.join("audit.log")),
    ]);
    if let Some(webhook) = webhook {
        args.push(flag("authentication-token-webhook-config-file", webhook));
        args.push("--authentication-token-webhook-version=v1".to_owned());
        // Short, so that a token that was taken back is soon refused.
        args.push("--authentication-token-webhook-cache-ttl=1s".to_owned());
    }
    args
}

fn answer(output: &Output) -> Result<String, String> {
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn flag(name: &str, value: &Path) -> String {
    format!("--{name}={}", value.display())
}

fn strings(args: &[&str]) -> Vec<String> {
    args.iter().map(|&arg| arg.to_owned()).collect()
}
