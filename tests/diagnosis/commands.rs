//! Every command that is printed, taken by the programs that it is for: none of them was written here.
//!
//! The AWS CLI checks each parameter, and makes a sample of what the API answers, to which it applies the query: a field
//! that there is not is nothing in it. kubectl asks a real API server, where most of the objects are not there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::OnceLock;

use mngup::domain::{Cause, Command, Remedy};
use serde_json::Value;

use crate::{
    find,
    proofs::{other_ways_out, proof},
    support::{ControlPlane, Options, aws_cli},
    worlds,
};

/// The AWS CLI as it is run here, under its own name.
const AWS: &str = r#"#!/bin/sh
PATH=$PATH_WITHOUT_THIS exec aws "$@" $INSTEAD --output json
"#;

/// Answers with a sample, and asks nobody.
const SAMPLE: &str = "--generate-cli-skeleton output";

/// Asks where nobody listens: only what has passed all checks gets so far.
const NOBODY: &str = "--endpoint-url http://127.0.0.1:9";

/// What kubectl says of a line that is right: the objects of the simulated worlds are not there, nor is a file that would
/// have been written of one, nor the kinds of controllers that a cluster of EKS may have.
const ABSENT: [&str; 4] = [
    "(NotFound)",
    "\" not found",
    "error: the path ",
    "error: the server doesn't have a resource type \"targetgroupbindings\"",
];

#[test]
fn every_line_for_the_aws_cli_is_one_that_it_takes() {
    if !aws_cli::is_there() {
        return;
    }
    let remedies = remedies();
    let wrong = in_turn(remedies, |remedy| lines_for_aws(remedy).and_then(|lines| run_by_aws(&lines).err()));
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));

    let lines: Vec<_> = remedies.iter().filter_map(lines_for_aws).flatten().collect();
    let called: BTreeSet<_> = lines.iter().filter_map(|line| verb(line)).collect();
    eprintln!("{} lines for the AWS CLI, {} verbs", lines.len(), called.len());
    let unmet: Vec<_> = written().into_iter().filter(|verb| !called.contains(verb)).collect();
    assert!(unmet.is_empty(), "no world prints them, so nobody has checked them: {unmet:#?}");
}

#[test]
fn every_line_for_kubectl_is_one_that_it_takes() {
    let Some(plane) = ControlPlane::start_or_skip(&Options::default()) else { return };
    let lines: BTreeSet<_> = remedies().iter().flat_map(lines_for_kubectl).collect();
    let lines: Vec<_> = lines.into_iter().collect();
    eprintln!("{} lines for kubectl", lines.len());
    let wrong = in_turn(&lines, |line| {
        let complaint = plane.shell("admin", line).err()?;
        let absent = ABSENT.iter().any(|words| complaint.contains(words));
        // Whoever asks whether they may is told "no" by the exit code.
        let absent = absent || line.contains(" auth can-i ") && complaint.is_empty();
        (!absent).then(|| format!("{line}\n  {complaint}"))
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Each different way out that the proofs of all causes print, and worlds beside them.
fn remedies() -> &'static [Remedy] {
    static REMEDIES: OnceLock<Vec<Remedy>> = OnceLock::new();
    REMEDIES.get_or_init(printed)
}

fn printed() -> Vec<Remedy> {
    let proofs: Vec<_> = Cause::ALL.iter().map(|cause| (*cause, proof(*cause))).chain(other_ways_out()).collect();
    let count = u64::try_from(proofs.len()).unwrap();
    let found = worlds::each(0..count, |number| {
        let (cause, proof) = &proofs[usize::try_from(number).unwrap()];
        find(*cause, proof).unwrap_or_else(|| panic!("{cause} is not found")).finding.remedies
    });
    // The same words for other instances and nodes are the same to the programs.
    let mut different: BTreeMap<String, Remedy> = BTreeMap::new();
    for remedy in found.into_iter().flatten() {
        different.entry(shape(&remedy)).or_insert(remedy);
    }
    different.into_values().collect()
}

/// Its lines without the words that name this object or that.
fn shape(remedy: &Remedy) -> String {
    let lines = format!("{:?} {:?}", remedy.run, remedy.back);
    let words = lines.split(' ').map(|word| if word.contains(|c: char| c.is_ascii_digit()) { "…" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

/// What is wrong with any, a few at a time: each takes a program about a second to start.
fn in_turn<T: Sync>(all: &[T], look: impl Fn(&T) -> Option<String> + Sync) -> Vec<String> {
    let count = u64::try_from(all.len()).unwrap();
    worlds::each(0..count, |number| look(&all[usize::try_from(number).unwrap()])).into_iter().flatten().collect()
}

/// Its lines, those that take it back behind those that do it; none where another program has a part in it.
fn lines_for_aws(remedy: &Remedy) -> Option<Vec<String>> {
    let lines = remedy.run.iter().chain(&remedy.back).filter_map(|command| match command {
        Command::Aws(rest) => Some(format!("aws {rest}")),
        Command::Kubectl(_) | Command::Upgrade(_) => None,
    });
    Some(lines.collect()).filter(|lines: &Vec<_>| !lines.is_empty())
}

fn lines_for_kubectl(remedy: &Remedy) -> Vec<String> {
    let lines = remedy.run.iter().chain(&remedy.back).filter_map(|command| match command {
        Command::Kubectl(rest) => Some(format!("kubectl {rest}")),
        Command::Aws(_) | Command::Upgrade(_) => None,
    });
    lines.collect()
}

/// One after the other in one folder: a line may read what another wrote.
fn run_by_aws(lines: &[String]) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key.pub"), "ssh-ed25519 AAAA ops").unwrap();
    let env = environment(folder.path());
    lines.iter().try_for_each(|line| run_one(&env, folder.path(), line).map_err(|what| format!("{line}\n  {what}")))
}

fn run_one(env: &[(String, String)], folder: &Path, line: &str) -> Result<(), String> {
    let run = |instead: &str| {
        let instead = ("INSTEAD".to_owned(), instead.to_owned());
        aws_cli::shell(&[env, &[instead]].concat(), folder, &without_paging(line))
    };
    match run(SAMPLE) {
        Ok(said) => {
            let answer: Value = serde_json::from_str(&said).unwrap_or_default();
            let asks = line.contains("--query") && !line.contains(" > ");
            if asks && has_nothing(&answer) {
                Err(format!("the API's answer has no such field: {said}"))
            } else {
                Ok(())
            }
        }
        // Of some answers its own sample does not pass its own checks, such as one with a maximum of 0 nodes.
        Err(complaint) if complaint.contains("valid min") => {
            let complaint = run(NOBODY).expect_err("nobody listens there");
            if complaint.contains("Could not connect") { Ok(()) } else { Err(complaint) }
        }
        Err(complaint) => Err(complaint),
    }
}

fn environment(folder: &Path) -> Vec<(String, String)> {
    use std::os::unix::fs::PermissionsExt as _;
    let programs = folder.join("programs");
    std::fs::create_dir(&programs).unwrap();
    let program = programs.join("aws");
    std::fs::write(&program, AWS).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    [
        ("PATH", format!("{}:{path}", programs.display())),
        ("PATH_WITHOUT_THIS", path.clone()),
        ("AWS_REGION", "eu-west-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("AWS_MAX_ATTEMPTS", "1".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// The CLI does the paging itself, and its own sample of an answer does not know of it. The live tests run such lines whole.
fn without_paging(line: &str) -> String {
    let Some((before, rest)) = line.split_once(" --max-items ") else { return line.to_owned() };
    let (_number, after) = rest.split_once(' ').unwrap_or((rest, ""));
    format!("{before} {after}")
}

/// Whether a field was asked for that is not there.
fn has_nothing(answer: &Value) -> bool {
    match answer {
        Value::Null => true,
        Value::Array(all) => all.iter().any(has_nothing),
        Value::Object(fields) => fields.values().any(has_nothing),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// `ec2 describe-subnets`
fn verb(line: &str) -> Option<String> {
    let words: Vec<_> = line.split(' ').collect();
    Some(format!("{} {}", words.get(1)?, words.get(2)?))
}

/// The verbs that the code of the remedies writes.
fn written() -> BTreeSet<String> {
    const SERVICES: [&str; 9] =
        ["autoscaling", "cloudtrail", "ec2", "eks", "iam", "kms", "service-quotas", "ssm", "sts"];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/diagnose/remedy");
    let files = std::fs::read_dir(folder).unwrap().map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    let mut written = BTreeSet::new();
    for text in files {
        for (service, call) in [("autoscaling", "of_group(\""), ("eks", "of_nodegroup(\"")] {
            let verbs = text.split(call).skip(1).filter_map(|rest| rest.split('"').next());
            written.extend(verbs.map(|verb| format!("{service} {verb}")));
        }
        let words: Vec<_> = text.split(|c: char| c.is_whitespace() || c == '"').collect();
        let is_verb = |word: &str| {
            word.contains('-') && !word.starts_with('-') && word.chars().all(|c| c.is_ascii_lowercase() || c == '-')
        };
        let pairs = words.windows(2).filter(|pair| SERVICES.contains(&pair[0]) && is_verb(pair[1]));
        written.extend(pairs.map(|pair| pair.join(" ")));
    }
    // Said in words, and not a line to be pasted.
    written.remove("service-quotas request-service-quota-increase");
    written
}
