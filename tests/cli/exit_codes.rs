//! The table of exit codes in the documentation, each seen to happen; 8 and 130 where a lock and signals are tested.

use std::fs;

use crate::mngup_in;

#[test]
fn each_exit_code_comes_when_the_table_says_so() {
    let home = tempfile::tempdir().unwrap();
    let plans = concat!(env!("CARGO_MANIFEST_DIR"), "/plans/sandbox");
    let shop = include_str!("../../plans/sandbox/shop.yaml");
    let updating = shop.replacen("    name: workers", "    name: workers\n    status: UPDATING", 1);
    fs::write(home.path().join("updating.yaml"), updating).unwrap();
    for (code, line) in [
        (0, "upgrade --sandbox".to_owned()),
        (2, "upgrade --sandbox nowhere.yaml".to_owned()),
        (4, "upgrade --sandbox updating.yaml".to_owned()),
        (5, format!("upgrade --sandbox {plans}/never-allows.yaml --drain-timeout 2m")),
        (6, format!("upgrade --sandbox {plans}/no-addresses.yaml --max-surge 0 --replacement-timeout 2m")),
        (
            7,
            format!(
                "upgrade --sandbox {plans}/never-allows.yaml --drain-timeout 2m \
                 --undrainable-node-behavior quarantine --max-quarantined 4"
            ),
        ),
    ] {
        let screen = mngup_in(home.path(), &format!("{line} --sandbox-speed 1000"), &[]);
        assert!(screen.ends_with(&format!("[{code}]")), "{code}: {line}\n{screen}");
    }
}
