//! No secret is ever shown, however much is asked to be told.

use crate::support::aws::{Key, World};
use crate::support::workloads::{deployment, pdb};
use crate::support::{Bed, BedOptions, USER};

#[test]
fn no_secret_is_ever_shown() {
    // As roles and single sign-on give it, with a session token.
    let key = Key::of_session(USER);
    let world = World { old: 2, keys: vec![key.clone()], ..World::default() };
    let workloads = [deployment("cart", 3).yaml(), pdb("cart", "maxUnavailable: 1")].join("---\n");
    let Some(bed) = Bed::start(BedOptions { world, workloads }) else { return };
    // Beginnings of a token, of what it is made of when decoded, and of a signed request; and the key itself.
    let secrets = [
        "k8s-aws-v1.",
        "aHR0cHM6Ly9zdHM",
        "X-Amz-Signature",
        "X-Amz-Credential",
        "Signature=",
        "Bearer ",
        &key.secret,
        &key.id,
        key.session.as_deref().unwrap(),
        // The same inside of a URL.
        "not-a-session-token",
        "X-Amz-Security-Token",
    ];

    bed.aws.throttle(10, 3);
    let run = bed.upgrade(&["-vvv", "--post-drain-delay", "1s"]);
    assert_eq!(run.code, Some(0), "{run}");
    for told in ["EKS DescribeCluster: 200", "kubernetes POST", "kubernetes PATCH", "kubernetes WATCH"] {
        assert!(run.stderr.contains(told), "-vvv does not tell {told:?}\n{run}");
    }
    let journal = run.files();
    assert!(
        journal
            .iter()
            .any(|(path, text)| path.extension().is_some_and(|it| it == "jsonl") && text.lines().count() > 10)
    );
    // What goes wrong is told in other words than what goes well.
    bed.aws.deny("autoscaling:DescribeAutoScalingGroups");
    let denied = bed.upgrade(&["-vvv", "-o", "json"]);
    bed.aws.expire_credentials();
    let expired = bed.upgrade(&["-vvv"]);
    assert!(denied.code != Some(0) && expired.code != Some(0), "{denied}{expired}");

    for run in [&run, &denied, &expired] {
        let files = run.files().into_iter().map(|(path, text)| (path.display().to_string(), text));
        let shown = [("stdout".to_owned(), run.stdout.clone()), ("stderr".to_owned(), run.stderr.clone())];
        for (place, text) in shown.into_iter().chain(files) {
            for secret in secrets {
                assert!(!text.contains(secret), "{secret} in {place}:\n{text}");
            }
        }
    }
    println!("secrets: {} lines of -vvv", run.stderr.lines().count());
}
