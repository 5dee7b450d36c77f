//! Reading a world from YAML, with errors that say where.

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::{self, Read},
    path::Path,
};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::Spanned;
use thiserror::Error;

use super::{WorldSpec, check};

/// The world that is shown when no other is named: a healthy shop in three zones.
pub const SHOP: &str = include_str!("../../../plans/sandbox/shop.yaml");

/// What is wrong with a world's description.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SpecError {
    /// It cannot be read at all.
    #[error("{file}: {message}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        message: String,
    },
    /// It is no YAML, or not of this form.
    #[error("{file}:{line}: {message}")]
    Form {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        message: String,
    },
    /// It makes no sense.
    #[error("{file}:{line}: {field}: {message}")]
    Sense {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u64,
        /// The field, `workloads[2].budgets[0]`.
        field: String,
        /// What is wrong, and what to do.
        message: String,
    },
}

impl WorldSpec {
    /// Reads a world from a file.
    ///
    /// # Errors
    /// When it cannot be read, or makes no sense; file, line and field are named.
    pub fn from_file(path: &Path) -> Result<Self, SpecError> {
        let file = path.display().to_string();
        match read(path) {
            Ok(text) => Self::from_yaml(&text, &file),
            Err(error) => Err(SpecError::Unreadable { file, message: error.to_string() }),
        }
    }

    /// Reads a world from text; `file` is what errors call it.
    ///
    /// # Errors
    /// When it makes no sense; file, line and field are named.
    pub fn from_yaml(text: &str, file: &str) -> Result<Self, SpecError> {
        let spec: Self = serde_saphyr::from_str(text).map_err(|error| {
            let place = error.location().map_or((0, 0), |location| (location.line(), location.column()));
            let field = field_at(text, place).map_or_else(String::new, |field| format!("{field}: "));
            let message = field + &plain(&first_line(&error.without_snippet().to_string()));
            SpecError::Form { file: file.to_owned(), line: place.0, message }
        })?;
        spec.check().map_err(|wrong| SpecError::Sense {
            file: file.to_owned(),
            line: line_of(text, &wrong.field),
            field: wrong.field,
            message: wrong.message,
        })?;
        Ok(spec)
    }

    /// The world that is shown when no other is named.
    ///
    /// # Errors
    /// Never, as a test holds; the description is read like any other.
    pub fn shop() -> Result<Self, SpecError> {
        Self::from_yaml(SHOP, "shop.yaml")
    }

    /// Whether it makes sense.
    ///
    /// # Errors
    /// The first field that does not.
    pub(super) fn check(&self) -> Result<(), check::Wrong> {
        check::check(self)
    }
}

/// A file without an end would fill the memory; the shop has 5 KiB.
const LARGEST: u64 = 1024 * 1024;

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(LARGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST {
        return Err(io::Error::other("is larger than 1 MiB, and no world is that large"));
    }
    Ok(text)
}

/// What is wrong, without the place: that stands before it.
fn first_line(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    line.rsplit_once(" at line ").map_or(line, |(wrong, _)| wrong).to_owned()
}

/// The parser's own words, where a writer of YAML would not know what they ask for.
fn plain(message: &str) -> String {
    if let Some(key) = message.strip_prefix("duplicate mapping key: ") {
        return format!("{} is there twice", key.split(", set ").next().unwrap_or(key));
    }
    let said = match message {
        "invalid u32" | "invalid u64" => "a whole number is expected here, 0 or more",
        "expected string scalar" => "one value is expected here, not a list or further fields",
        "expected sequence start" => "a list is expected here",
        "expected mapping start" => "fields are expected here, each as name: value",
        "unexpected end of input" => "there is nothing in it",
        other => other,
    };
    said.to_owned()
}

/// The YAML with nothing known of it but where things are.
enum Tree {
    Map(BTreeMap<String, Spanned<Tree>>),
    List(Vec<Spanned<Tree>>),
    Leaf,
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Tree;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
                let mut entries = BTreeMap::new();
                while let Some((key, value)) = map.next_entry()? {
                    entries.insert(key, value);
                }
                Ok(Tree::Map(entries))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tree, A::Error> {
                let mut entries = Vec::new();
                while let Some(value) = list.next_element()? {
                    entries.push(value);
                }
                Ok(Tree::List(entries))
            }

            fn visit_unit<E: Error>(self) -> Result<Tree, E> {
                Ok(Tree::Leaf)
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Tree, E> {
                Ok(Tree::Leaf)
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Tree, E> {
                Ok(Tree::Leaf)
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Tree, E> {
                Ok(Tree::Leaf)
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Tree, E> {
                Ok(Tree::Leaf)
            }

            fn visit_str<E: Error>(self, _: &str) -> Result<Tree, E> {
                Ok(Tree::Leaf)
            }

            fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Tree, D::Error> {
                IgnoredAny::deserialize(inner).map(|_| Tree::Leaf)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// The line on which the deepest part of a path stands that can be found.
fn line_of(text: &str, field: &str) -> u64 {
    let Ok(root) = serde_saphyr::from_str::<Spanned<Tree>>(text) else { return 0 };
    let mut here = &root;
    for step in field.split(['.', '[', ']']).filter(|step| !step.is_empty()) {
        let next = match &here.value {
            Tree::Map(entries) => entries.get(step),
            Tree::List(entries) => step.parse().ok().and_then(|index: usize| entries.get(index)),
            Tree::Leaf => None,
        };
        match next {
            Some(next) => here = next,
            None => break,
        }
    }
    here.referenced.line()
}

/// The path of the value that begins at this line and column, if one does.
fn field_at(text: &str, place: (u64, u64)) -> Option<String> {
    let root = serde_saphyr::from_str::<Spanned<Tree>>(text).ok()?;
    find(&root, place).filter(|path| !path.is_empty())
}

fn find(here: &Spanned<Tree>, place: (u64, u64)) -> Option<String> {
    // The innermost one: a list begins where its first entry does.
    let inside = match &here.value {
        Tree::Map(entries) => entries.iter().find_map(|(key, value)| Some((key.clone(), find(value, place)?))),
        Tree::List(entries) => {
            entries.iter().enumerate().find_map(|(index, value)| Some((format!("[{index}]"), find(value, place)?)))
        }
        Tree::Leaf => None,
    };
    match inside {
        Some((step, rest)) if rest.is_empty() || rest.starts_with('[') => Some(step + &rest),
        Some((step, rest)) => Some(format!("{step}.{rest}")),
        None => ((here.referenced.line(), here.referenced.column()) == place).then(String::new),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "name: small\n\
        group:\n  nodegroup: { name: workers }\n\
        zones:\n  - { name: a, old: 2 }\n\
        workloads:\n  - kind: Deployment\n    name: web\n    replicas: 2\n    budgets:\n      - max-unavailable: 1\n";

    fn error(text: &str) -> String {
        WorldSpec::from_yaml(text, "small.yaml").unwrap_err().to_string()
    }

    #[test]
    fn the_shop_is_as_it_is_described() {
        let shop = WorldSpec::shop().unwrap();
        assert_eq!((shop.nodes(), shop.zones.len(), shop.workloads.len()), (12, 3, 16));
        assert_eq!(shop.delays.launch.as_secs(), 45);
    }

    #[test]
    fn a_small_world_is_read() {
        let small = WorldSpec::from_yaml(SMALL, "small.yaml").unwrap();
        assert_eq!(small.nodes(), 2);
        assert_eq!(small.workloads[0].budgets[0].max_unavailable, Some(crate::domain::IntOrPercent::Int(1)));
    }

    #[test]
    fn an_unknown_field_is_named_with_its_line() {
        let said = error(&SMALL.replace("replicas", "replica"));
        assert!(said.starts_with("small.yaml:9: "), "{said}");
        assert!(said.contains("replica") && said.contains("replicas"), "{said}");
    }

    #[test]
    fn a_wrong_value_is_named_with_its_line() {
        let said = error(&SMALL.replace("replicas: 2", "start: soon"));
        assert!(said.starts_with("small.yaml:9: "), "{said}");
        assert!(said.contains("\"soon\" is not a duration; write it as 500ms, 3s, 2m, 1m30s or 1h"), "{said}");
        let said = error(&SMALL.replace("max-unavailable: 1", "max-unavailable: 101%"));
        assert!(said.contains("101%"), "{said}");
    }

    #[test]
    fn what_makes_no_sense_is_named_with_its_line_and_field() {
        assert_eq!(
            error(&SMALL.replace("- max-unavailable: 1", "- { max-unavailable: 1, min-available: 1 }")),
            "small.yaml:11: workloads[0].budgets[0]: a budget has either min-available or max-unavailable"
        );
        assert_eq!(
            error(&SMALL.replace("replicas: 2", "zones: [b]")),
            "small.yaml:9: workloads[0].zones[0]: no zone is called b; the zones are a"
        );
        let fault = "faults:\n  - at: 2m\n    what: { delete-pod: { workload: shop/cart } }\n";
        assert_eq!(
            error(&format!("{SMALL}{fault}")),
            "small.yaml:14: faults[0].what: no workload is called shop/cart; there are default/web"
        );
    }

    #[test]
    fn a_file_that_is_not_there_is_said_to_be_so() {
        let said = WorldSpec::from_file(Path::new("nowhere.yaml")).unwrap_err().to_string();
        assert!(said.starts_with("nowhere.yaml: "), "{said}");
    }
}
