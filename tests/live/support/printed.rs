//! What a diagnosis prints for the AWS CLI and kubectl alike, run as it is printed.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::diagnose::roots;
use super::{Bed, PERSON, aws_cli, eventually};

/// Time for a diagnosis to say a cause, or to say it no longer: the longest that a rule waits, and looking itself.
const TOLD: Duration = Duration::from_secs(100);

/// A cause that a diagnosis told, with the screen that it stood on.
pub struct Told<'a> {
    bed: &'a Bed,
    args: Vec<String>,
    /// It, as JSON.
    pub finding: Value,
    screen: String,
}

impl<'a> Told<'a> {
    /// Asks `mngup diagnose ARGS` until it tells this cause as something that somebody must act on.
    pub fn wait(bed: &'a Bed, args: &[&str], code: &str) -> Self {
        let began = Instant::now();
        let finding = loop {
            let (found, others) = ask(bed, args, code);
            if let Some(found) = found {
                break found;
            }
            assert!(began.elapsed() < TOLD, "{code} is not told, but {others:#?}");
        };
        let screen = bed.command("diagnose", args);
        assert_eq!(screen.code, Some(4), "{screen}");
        assert!(screen.stdout.contains(code), "{screen}");
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        Self { bed, args, finding, screen: screen.stdout }
    }

    /// Runs all that shows more, as it is printed.
    pub fn look(&self) -> &Self {
        for remedy in self.remedies("look") {
            self.run(&remedy["run"]);
        }
        self
    }

    /// Runs a fix, by its place among those that are commands of others, as it is printed, until the cause is gone.
    pub fn fix(&self, number: usize) -> &Self {
        let fix = self.nth(number);
        println!("{}: {}", self.code(), fix["what"].as_str().unwrap());
        self.run(&fix["run"]);
        self.until(false);
        self
    }

    /// Takes a fix back, as it is printed, until the cause is there again.
    pub fn back(&self, number: usize) -> &Self {
        let back = &self.nth(number)["back"];
        assert!(back.as_array().is_some_and(|lines| !lines.is_empty()), "nothing takes it back: {:#}", self.finding);
        self.run(back);
        self.until(true);
        self
    }

    /// How many fixes it has that are commands of others.
    pub fn fixes(&self) -> usize {
        self.by_others().len()
    }

    fn until(&self, there: bool) {
        let (code, args) = (self.code(), self.args.iter().map(String::as_str).collect::<Vec<_>>());
        let what = format!("{code} is {}", if there { "there again" } else { "gone" });
        eventually(TOLD, &what, || (ask(self.bed, &args, code).0.is_some() == there).then_some(()));
    }

    fn nth(&self, number: usize) -> &Value {
        self.by_others().get(number).unwrap_or_else(|| panic!("no such fix: {:#}", self.finding["remedies"]))
    }

    fn by_others(&self) -> Vec<&Value> {
        let foreign = |command: &Value| command.get("upgrade").is_none();
        self.remedies("fix").filter(|remedy| remedy["run"].as_array().unwrap().iter().all(foreign)).collect()
    }

    fn remedies(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.finding["remedies"].as_array().unwrap().iter().filter(move |remedy| remedy["kind"] == kind)
    }

    fn code(&self) -> &str {
        self.finding["cause"].as_str().unwrap()
    }

    fn run(&self, commands: &Value) {
        for line in written(commands) {
            assert!(self.screen.contains(&line), "not on the screen: {line}\n{}", self.screen);
            run(self.bed, &line);
        }
    }
}

/// The lines of the remedies of a kind that a finding has.
pub fn lines(finding: &Value, kind: &str) -> Vec<String> {
    let remedies = finding["remedies"].as_array().into_iter().flatten();
    remedies.filter(|remedy| remedy["kind"] == kind).flat_map(|remedy| written(&remedy["run"])).collect()
}

fn written(commands: &Value) -> Vec<String> {
    let line = |command: &Value| {
        let (program, rest) = command.as_object().and_then(|command| command.iter().next()).expect("one program");
        format!("{program} {}", rest.as_str().expect("a line"))
    };
    commands.as_array().into_iter().flatten().map(line).collect()
}

fn ask(bed: &Bed, args: &[&str], code: &str) -> (Option<Value>, Vec<String>) {
    let json = bed.command("diagnose", &[args, &["-o", "json"]].concat());
    let diagnosis: Value = serde_json::from_str(&json.stdout).unwrap_or_else(|error| panic!("{error}\n{json}"));
    let findings = diagnosis["findings"].as_array().into_iter().flatten();
    let found = findings.clone().find(|finding| finding["cause"] == code && finding["grade"] == "blocks").cloned();
    (found, roots(&diagnosis))
}

/// Runs a line as somebody with a shell, kubectl and the AWS CLI would.
pub fn run(bed: &Bed, line: &str) -> String {
    let done = match line.split(' ').next() {
        Some("aws") => aws_cli::shell(&bed.person_env(), bed.plane.folder(), line),
        Some("kubectl") => bed.plane.shell(PERSON, line),
        _ => Err("neither aws nor kubectl".to_owned()),
    };
    done.unwrap_or_else(|complaint| panic!("{line}: {complaint}"))
}
