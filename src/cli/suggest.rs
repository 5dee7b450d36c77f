//! Which name was probably meant.

/// The one of `names` that is nearest to `typed`, if any is near enough to be a slip of the fingers.
#[must_use]
pub(super) fn nearest<'a>(typed: &str, names: &'a [String]) -> Option<&'a str> {
    // A third of the letters may be wrong: "aps" finds "apps", and "db" does not find "web".
    let near_enough = typed.chars().count().div_ceil(3);
    names
        .iter()
        .map(|name| (distance(&typed.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= near_enough)
        .min()
        .map(|(_, name)| name.as_str())
}

/// The node that was probably meant; a slip in a number of an address is another machine and no guess at all.
#[must_use]
pub(super) fn nearest_node<'a>(typed: &str, names: &'a [String]) -> Option<&'a str> {
    let short = |name: &str| name.split('.').next().unwrap_or_default().to_lowercase();
    let address = numbers(typed);
    let mut near = names.iter().filter(|name| {
        let known = numbers(&short(name));
        if known.len() == OCTETS {
            // `10.0.1.7`, `IP-10-0-1-7` and `pi-10-0-1-7.ec2.internal` name one machine.
            address.get(..OCTETS) == Some(known.as_slice())
        } else {
            distance(&short(typed), &short(name)) <= 1
        }
    });
    match (near.next(), near.next()) {
        (Some(name), None) => Some(name),
        (None, _) | (Some(_), Some(_)) => None,
    }
}

/// The names in the order in which people look for them: `node-9` before `node-10`.
#[must_use]
pub(super) fn sorted(names: &[String]) -> Vec<&str> {
    let mut sorted: Vec<_> = names.iter().map(String::as_str).collect();
    sorted.sort_by_cached_key(|name| pieces(name));
    sorted
}

/// A name as words, each with the number behind it.
fn pieces(name: &str) -> Vec<(&str, u64)> {
    let mut pieces = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(digits);
        let end = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
        pieces.push((word, behind[..end].parse().unwrap_or_default()));
        rest = &behind[end..];
    }
    pieces
}

/// Numbers in an address.
const OCTETS: usize = 4;

/// The numbers in a name, in order; hexadecimal ids have none to speak of.
fn numbers(name: &str) -> Vec<u64> {
    name.split(|c: char| !c.is_ascii_alphanumeric()).filter_map(|word| word.parse().ok()).collect()
}

/// Letters to insert, drop, change or swap with their neighbour to get from one to the other.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let change = last[j] + usize::from(a != b);
            let mut best = change.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_the_order_in_which_they_are_looked_for() {
        let names = ["ip-10-0-2-9.ec2.internal", "ip-10-0-1-10", "apps", "ip-10-0-1-9", "apps-gpu"].map(str::to_owned);
        assert_eq!(sorted(&names), ["apps", "apps-gpu", "ip-10-0-1-9", "ip-10-0-1-10", "ip-10-0-2-9.ec2.internal"]);
    }

    #[test]
    fn a_slip_is_found_and_another_word_is_not() {
        let names = ["apps", "apps-gpu", "monitoring"].map(str::to_owned);
        assert_eq!(nearest("aps", &names), Some("apps"));
        assert_eq!(nearest("Apps", &names), Some("apps"));
        assert_eq!(nearest("paps", &names), Some("apps"));
        assert_eq!(nearest("monitorng", &names), Some("monitoring"));
        assert_eq!(nearest("db", &names), None);
        assert_eq!(nearest("apps", &[]), None);
    }

    #[test]
    fn a_node_is_found_however_its_address_is_written_and_never_by_another_address() {
        let names = ["ip-10-0-1-7.ec2.internal", "ip-10-0-12-9.ec2.internal", "i-0a1b2c3d4e5f60718.ec2.internal"];
        let names = names.map(str::to_owned);
        for typed in ["10.0.1.7", "IP-10-0-1-7", "pi-10-0-1-7.ec2.internal", "ip-10-0-1-7.eu-west-1.internal"] {
            assert_eq!(nearest_node(typed, &names), Some(names[0].as_str()), "{typed}");
        }
        assert_eq!(nearest_node("i-0a1b2c3d4e5f6071", &names), Some(names[2].as_str()));
        for typed in ["ip-10-0-1-77.ec2.internal", "ip-10-0-1-8", "ip-10-0-12-1", "ip-10-0-1", "i-0a1b2c"] {
            assert_eq!(nearest_node(typed, &names), None, "{typed}");
        }
    }
}
