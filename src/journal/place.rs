//! Where journals live: `$XDG_STATE_HOME/mngup/CLUSTER/GROUP/RUN.jsonl`.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::Header;
use crate::domain::{ClusterName, GroupName};

/// The folder of all journals: below `$XDG_STATE_HOME`, else `~/.local/state`; none without a home.
pub fn state_home(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    // The XDG specification asks to ignore relative paths.
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")))?;
    Some(state.join("mngup"))
}

/// Journals of simulated worlds live one folder deeper than those of real groups, so that neither is taken for the other.
const SANDBOX: &str = "sandbox";

/// Where the journal of this run goes.
#[must_use]
pub fn path_in(state_home: &Path, header: &Header) -> PathBuf {
    let home = match &header.sandbox {
        Some(world) => state_home.join(SANDBOX).join(folder(world)),
        None => state_home.to_owned(),
    };
    home.join(folder(header.cluster.as_str()))
        .join(folder(header.group.name()))
        .join(format!("{}.jsonl", folder(header.run.as_str())))
}

/// The journal that was written last, of this cluster and group where they are given.
///
/// # Errors
/// When a folder cannot be read; one that does not exist just holds none.
pub fn latest(
    state_home: &Path,
    cluster: Option<&ClusterName>,
    group: Option<&GroupName>,
) -> io::Result<Option<PathBuf>> {
    let clusters = match cluster {
        Some(name) => vec![state_home.join(folder(name.as_str()))],
        None => list(state_home)?,
    };
    let mut newest: Option<(SystemTime, PathBuf)> = None;
    for cluster in clusters {
        let groups = match group {
            Some(group) => vec![cluster.join(folder(group.name()))],
            None => list(&cluster)?,
        };
        for group in groups {
            for path in list(&group)?.into_iter().filter(|path| path.extension().is_some_and(|end| end == "jsonl")) {
                let written = fs::metadata(&path)?.modified()?;
                newest = newest.max(Some((written, path)));
            }
        }
    }
    Ok(newest.map(|(_, path)| path))
}

/// The newest journal of the sandbox's worlds.
///
/// # Errors
/// When a folder cannot be read; one that does not exist just holds none.
pub fn latest_in_sandbox(
    state_home: &Path,
    cluster: Option<&ClusterName>,
    group: Option<&GroupName>,
) -> io::Result<Option<PathBuf>> {
    let mut newest: Option<(SystemTime, PathBuf)> = None;
    for world in list(&state_home.join(SANDBOX))? {
        if let Some(path) = latest(&world, cluster, group)? {
            newest = newest.max(Some((fs::metadata(&path)?.modified()?, path)));
        }
    }
    Ok(newest.map(|(_, path)| path))
}

fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The name as one folder: an Auto Scaling group may be called `../etc` or `a/b`.
fn folder(name: &str) -> String {
    let mut folder = String::new();
    for (index, byte) in name.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || b"-_".contains(&byte) || (byte == b'.' && index > 0);
        if plain {
            folder.push(char::from(byte));
        } else {
            folder.extend(['%'].into_iter().chain(format!("{byte:02X}").chars()));
        }
    }
    folder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_never_leaves_its_folder() {
        assert_eq!(folder("apps.v1_a-b"), "apps.v1_a-b");
        assert_eq!(folder(".."), "%2E.");
        assert_eq!(folder("a/b c"), "a%2Fb%20c");
    }

    #[test]
    fn the_state_home_is_found_as_xdg_says() {
        let at = |xdg: Option<&'static str>, home: Option<&'static str>| {
            state_home(move |name| match name {
                "XDG_STATE_HOME" => xdg.map(OsString::from),
                "HOME" => home.map(OsString::from),
                _ => None,
            })
        };
        assert_eq!(at(Some("/state"), Some("/home/ann")), Some("/state/mngup".into()));
        assert_eq!(at(Some("state"), Some("/home/ann")), Some("/home/ann/.local/state/mngup".into()));
        assert_eq!(at(None, None), None);
    }

    #[test]
    fn the_newest_journal_is_found_among_all_or_of_one_group() {
        let home = tempfile::tempdir().unwrap();
        let write = |path: &str, age: u64| {
            let path = home.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let file = fs::File::create(&path).unwrap();
            let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(10_000 - age);
            file.set_modified(now).unwrap();
            path
        };
        let old = write("prod/apps/1.jsonl", 20);
        let new = write("prod/web/2.jsonl", 10);
        write("prod/web/notes.txt", 0);
        assert_eq!(latest(home.path(), None, None).unwrap(), Some(new));
        let apps = GroupName::Nodegroup("apps".into());
        assert_eq!(latest(home.path(), Some(&"prod".into()), Some(&apps)).unwrap(), Some(old));
        assert_eq!(latest(home.path(), Some(&"test".into()), None).unwrap(), None);
        assert_eq!(latest(&home.path().join("nothing"), None, None).unwrap(), None);
    }
}
