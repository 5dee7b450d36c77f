//! A second opinion on the wire formats: moto, which others wrote. It cannot play an upgrade.
//!
//! `python3 -m venv moto && moto/bin/pip install 'moto[server]'`, then MNGUP_MOTO_PYTHON=moto/bin/python.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use mngup::{
    adapters::aws::{AwsCloud, Session},
    domain::{
        AsgName, ClusterName, GroupName, IntOrPercent, Lifecycle, NodegroupName, NodegroupStatus, Process, Size,
        UpdateStrategy,
    },
    ports::{Cloud, CloudAct, Outcome, PortError, Step},
};

const PYTHON: &str = "MNGUP_MOTO_PYTHON";

struct Moto {
    program: Child,
    url: String,
    template: String,
}

impl Moto {
    fn start() -> Option<Self> {
        let Some(python) = std::env::var_os(PYTHON) else {
            eprintln!("SKIPPED: no second opinion on the AWS formats; set {PYTHON} to a Python that has moto[server]");
            return None;
        };
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/aws_wire/moto_world.py");
        let mut program = Command::new(python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(program.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (url, template) = line.trim().split_once(' ').expect("moto's world was made");
        Some(Self { program, url: url.to_owned(), template: template.to_owned() })
    }

    async fn group(&self, group: GroupName) -> Result<AwsCloud, PortError> {
        let loader = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .endpoint_url(&self.url)
            .credentials_provider(Credentials::new("test", "test", None, None, "test"));
        Session::from_loader(loader, None).await?.cloud(&ClusterName::new("prod"), &group).await
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

#[tokio::test]
async fn what_moto_serves_is_read_as_what_we_serve_ourselves() {
    let Some(moto) = Moto::start() else { return };

    let cloud = moto.group(GroupName::Nodegroup(NodegroupName::new("workers"))).await.unwrap();
    let group = cloud.read(true).await.unwrap();
    assert_eq!(group.size, Size { min: 1, desired: 2, max: 4 });
    let target = group.target.template.clone().unwrap();
    assert_eq!((target.id.as_str(), target.version.as_str()), (moto.template.as_str(), "2"));
    assert_eq!(group.instances.len(), 2);
    for instance in group.instances.values() {
        assert_eq!((&instance.lifecycle, instance.healthy), (&Lifecycle::InService, true));
        assert_eq!(instance.template.as_ref().unwrap().id, moto.template);
        assert!(instance.zone.as_str().starts_with("eu-west-1"));
    }
    let nodegroup = group.nodegroup.unwrap();
    assert_eq!(nodegroup.status, NodegroupStatus::Active);
    assert_eq!(nodegroup.max_unavailable, Some(IntOrPercent::Percent(33)));
    assert_eq!(nodegroup.strategy, UpdateStrategy::Minimal);
    assert_eq!(nodegroup.release.as_deref(), Some("1.36.3-20261101"));
    assert_eq!(cloud.act(&CloudAct::SuspendAzRebalance).await, Outcome::Done);
    assert_eq!(
        cloud.act(&CloudAct::SetSize { desired: Some(Step { from: 2, to: 3 }), max: None }).await,
        Outcome::Done
    );
    let group = cloud.read(false).await.unwrap();
    assert_eq!((group.size.desired, group.suspended), (3, [Process::AzRebalance].into()));
    let instance = group.instances.keys().next().unwrap().clone();
    assert_eq!(cloud.act(&CloudAct::Terminate { instance: instance.clone(), decrement: true }).await, Outcome::Done);
    let group = cloud.read(false).await.unwrap();
    assert!(group.size.desired == 2 && !group.instances.contains_key(&instance));

    let cloud = moto.group(GroupName::Asg(AsgName::new("shop-nodes"))).await.unwrap();
    let target = cloud.read(false).await.unwrap().target;
    assert_eq!(target.alias.as_deref(), Some("$Latest"));
    assert_eq!(target.template.unwrap().version, "2");
    assert!(target.overrides.is_empty());

    let unknown = moto.group(GroupName::Nodegroup(NodegroupName::new("nobody"))).await.unwrap_err();
    assert!(matches!(unknown, PortError::NotFound { others, .. } if others == ["workers"]));
}
