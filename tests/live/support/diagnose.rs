//! The way of a cause: a run stands still and names it, a diagnosis finds it, and what it prints clears it away.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Bed, Ended, PERSON, Running};

/// Within this a run names what holds it.
pub const NAMED: Duration = Duration::from_mins(1);

/// Time for a run to go on to its end once everything was cleared away.
const GOES_ON: Duration = Duration::from_mins(2);

/// A cause that was made several times, in a namespace for each way out.
#[derive(Clone, Debug)]
pub struct Copies {
    /// Its code.
    pub code: &'static str,
    /// Where its copies are: as many as it has fixes that kubectl carries out, in their order.
    pub namespaces: &'static [&'static str],
    /// What its fixes change and their ways back put right again: `pdb/guard`, or of another namespace
    /// `kube-system/daemonset/agent`.
    pub objects: &'static [&'static str],
}

/// A run that stands still; what holds it was found.
pub struct Stalled<'a> {
    bed: &'a Bed,
    run: Running,
    /// What `mngup diagnose` said.
    pub diagnosis: Value,
    screen: String,
}

/// What `mngup diagnose` finds in the group, as JSON and as a person sees it.
pub fn diagnose(bed: &Bed) -> (Value, Ended) {
    let json = bed.command("diagnose", &["-o", "json"]);
    let screen = bed.command("diagnose", &[]);
    (serde_json::from_str(&json.stdout).unwrap_or_else(|error| panic!("{error}\n{json}")), screen)
}

/// The causes that somebody must act on, with what they are about.
pub fn roots(diagnosis: &Value) -> Vec<String> {
    let findings = diagnosis["findings"].as_array().into_iter().flatten();
    let blocking = findings.filter(|finding| finding["grade"] == "blocks");
    blocking.map(|finding| format!("{} {}", finding["cause"].as_str().unwrap(), finding["object"])).collect()
}

impl<'a> Stalled<'a> {
    /// Upgrades with these arguments until each of these codes was said, each within a minute from the first wait on.
    pub fn upgrade(bed: &'a Bed, args: &[&str], codes: &[&str]) -> Self {
        Self::name(bed, bed.spawn_upgrade(args), " cordoned", codes)
    }

    /// The same of a run that was begun, and waits from the moment on when it says this.
    pub fn name(bed: &'a Bed, mut run: Running, begins: &str, codes: &[&str]) -> Self {
        run.wait_until_said(begins, Duration::from_mins(2));
        Self::watch(bed, run, codes)
    }

    /// Watches a run that has begun to wait until each of these codes was said, each within a minute from now on.
    pub fn watch(bed: &'a Bed, mut run: Running, codes: &[&str]) -> Self {
        let began = Instant::now();
        let missing = |run: &Running| -> Vec<_> {
            let said = run.stderr();
            // The plan may name them, too: these are the lines of who waits.
            let waits: Vec<_> = said.lines().filter(|line| line.contains(" waits ")).collect();
            codes.iter().filter(|code| waits.iter().all(|line| !line.contains(**code))).collect()
        };
        while !missing(&run).is_empty() && began.elapsed() < NAMED && run.is_running() {
            std::thread::sleep(Duration::from_millis(50));
        }
        let missing = missing(&run);
        assert!(missing.is_empty(), "not said within {NAMED:?}: {missing:?}\n{}", run.stderr());
        println!("{codes:?} were said after {:?}", began.elapsed());
        let (diagnosis, screen) = diagnose(bed);
        assert_eq!(screen.code, Some(4), "{screen}");
        Self { bed, run, diagnosis, screen: screen.stdout }
    }

    /// What a diagnosis found of this cause in this namespace, as something that somebody must act on.
    pub fn finding(&self, code: &str, namespace: &str) -> &Value {
        self.find(code, namespace).unwrap_or_else(|| {
            let roots = roots(&self.diagnosis);
            panic!("no {code} in namespace {namespace} among {roots:#?}\n{}\n{}", self.screen, self.run.stderr())
        })
    }

    fn find(&self, code: &str, namespace: &str) -> Option<&Value> {
        let findings = self.diagnosis["findings"].as_array().expect("a list");
        // The namespace, or a name that begins with it where there is none.
        let is_there = |finding: &&Value| finding["object"].to_string().contains(&format!("\"{namespace}"));
        findings
            .iter()
            .filter(|finding| finding["cause"] == code && finding["grade"] == "blocks")
            .find(|finding| is_there(finding))
    }

    /// Clears each copy away by another of the fixes that are printed, waits until the run ends well, and takes all of
    /// them back.
    pub fn clear(self, copies: &[Copies]) -> Ended {
        self.clear_and(copies, |_| ())
    }

    /// The same, with what else has to happen before the run can go on.
    pub fn clear_and(mut self, copies: &[Copies], then: impl FnOnce(&mut Running)) -> Ended {
        self.look_until_found(copies);
        let (mut before, mut back) = (BTreeMap::new(), Vec::new());
        for Copies { code, namespaces, objects } in copies {
            // Not every copy has every fix: a workload without a former revision cannot go back to it.
            let most = namespaces.iter().map(|namespace| fixes(self.finding(code, namespace)).len()).max();
            assert_eq!(most, Some(namespaces.len()), "{code}: a copy for each fix:\n{}", self.screen);
            for (number, namespace) in namespaces.iter().enumerate() {
                let fix = &fixes(self.finding(code, namespace))[number];
                before.insert(*namespace, essences(self.bed, namespace, objects));
                println!("{code} in {namespace}: {}", fix["what"].as_str().unwrap());
                self.run(&lines(&fix["run"]));
                back.push((*code, *namespace, *objects, lines(&fix["back"])));
            }
        }
        then(&mut self.run);
        let (bed, run) = (self.bed, self.run);
        let ended = run.wait(GOES_ON);
        assert_eq!(ended.code, Some(0), "{ended}\n{}", bed.command("diagnose", &[]));
        for (code, namespace, objects, lines) in back.into_iter().filter(|(.., lines)| !lines.is_empty()) {
            for line in lines {
                run_line(bed, &line);
            }
            assert_eq!(essences(bed, namespace, objects), before[namespace], "{code} in {namespace}");
        }
        ended
    }

    /// Looks again until all copies are found: what was said of one need not be so of the next for as long.
    pub fn look_until_found(&mut self, copies: &[Copies]) {
        let began = Instant::now();
        let all = |this: &Self| {
            copies.iter().all(|copies| copies.namespaces.iter().all(|name| this.find(copies.code, name).is_some()))
        };
        while !all(self) && began.elapsed() < NAMED {
            let (diagnosis, screen) = diagnose(self.bed);
            (self.diagnosis, self.screen) = (diagnosis, screen.stdout);
        }
    }

    /// The line of AWS's own tool that is printed as a way out and does this: `terminate-instance-in-auto-scaling-group`.
    pub fn aws_line(&self, code: &str, namespace: &str, verb: &str) -> String {
        let remedies = self.finding(code, namespace)["remedies"].as_array().expect("a list");
        let fixes = remedies.iter().filter(|remedy| remedy["kind"] == "fix");
        let mut lines =
            fixes.flat_map(|fix| fix["run"].as_array().expect("a list")).filter_map(|run| run["aws"].as_str());
        let line = lines.find(|line| line.contains(verb)).unwrap_or_else(|| panic!("{code}: no {verb}"));
        assert!(self.screen.contains(line), "not on the screen: {line}\n{}", self.screen);
        line.to_owned()
    }

    /// Runs lines as they are printed.
    pub fn run(&self, lines: &[String]) {
        for line in lines {
            assert!(self.screen.contains(line.as_str()), "not on the screen: {line}\n{}", self.screen);
            run_line(self.bed, line);
        }
    }
}

fn essences(bed: &Bed, namespace: &str, objects: &[&str]) -> Vec<Value> {
    let essence = |object: &&str| match object.split('/').collect::<Vec<_>>()[..] {
        [elsewhere, kind, name] => bed.essence(elsewhere, &format!("{kind}/{name}")),
        _ => bed.essence(namespace, object),
    };
    objects.iter().map(essence).collect()
}

/// The fixes of a finding that kubectl carries out, in the order in which they are printed.
fn fixes(finding: &Value) -> Vec<&Value> {
    let remedies = finding["remedies"].as_array().expect("a list");
    let only = |run: &Value| lines(run).len() == run.as_array().map_or(0, Vec::len);
    let by_kubectl = |remedy: &&Value| remedy["kind"] == "fix" && only(&remedy["run"]);
    remedies.iter().filter(by_kubectl).collect()
}

/// The kubectl lines of a remedy, as they are printed.
fn lines(commands: &Value) -> Vec<String> {
    let commands = commands.as_array().into_iter().flatten();
    commands.filter_map(|command| command["kubectl"].as_str()).map(|rest| format!("kubectl {rest}")).collect()
}

/// As somebody with a shell and kubectl would.
fn run_line(bed: &Bed, line: &str) {
    bed.plane.shell(PERSON, line).unwrap_or_else(|complaint| panic!("{line}: {complaint}"));
}
