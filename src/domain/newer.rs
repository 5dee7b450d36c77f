//! What a newer mngup wrote into a journal, and this one has no name for.

use serde::{Deserialize, Deserializer, de::Error};

use super::Cause;

/// Something that says of which cause it is.
#[derive(Deserialize)]
#[serde(untagged)]
enum Told<T> {
    Known(T),
    Newer { cause: String },
}

/// All that has a cause that is known here: what else a journal says is worth reading without the rest.
pub(super) fn of_known_causes<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let mut known = Vec::new();
    for told in Vec::<Told<T>>::deserialize(deserializer)? {
        match told {
            Told::Known(told) => known.push(told),
            Told::Newer { cause } if Cause::parse(&cause).is_none() => {}
            Told::Newer { cause } => return Err(D::Error::custom(format!("what is told of {cause} cannot be read"))),
        }
    }
    Ok(known)
}

/// The causes that are known here.
pub(super) fn known_causes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Cause>, D::Error> {
    let codes = Vec::<String>::deserialize(deserializer)?;
    Ok(codes.iter().filter_map(|code| Cause::parse(code)).collect())
}
