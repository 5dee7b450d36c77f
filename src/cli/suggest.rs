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

/// The node that was probably meant: its name may have been typed as far as the first dot, or its address alone.
#[must_use]
pub(super) fn nearest_node<'a>(typed: &str, names: &'a [String]) -> Option<&'a str> {
    let short = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
    let typed = short(&if typed.starts_with(|c: char| c.is_ascii_digit()) {
        format!("ip-{}", typed.replace('.', "-"))
    } else {
        typed.to_owned()
    });
    let shorts: Vec<_> = names.iter().map(|name| short(name)).collect();
    // Names of nodes differ in a digit or two: what is one slip away from several of them is a guess about none.
    let mut near: Vec<_> = shorts.iter().enumerate().map(|(index, name)| (distance(&typed, name), index)).collect();
    near.sort_unstable();
    match near.as_slice() {
        [(0..=2, index)] => Some(names[*index].as_str()),
        [(first @ 0..=2, index), (second, _), ..] if first < second => Some(names[*index].as_str()),
        _ => None,
    }
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
    fn a_node_is_found_by_its_address_and_a_slip_that_may_mean_two_is_no_guess() {
        let names = ["ip-10-0-1-7.ec2.internal", "ip-10-0-12-9.ec2.internal", "ip-10-0-12-8.ec2.internal"];
        let names = names.map(str::to_owned);
        assert_eq!(nearest_node("10.0.1.7", &names), Some("ip-10-0-1-7.ec2.internal"));
        assert_eq!(nearest_node("ip-10-0-1-77.ec2.internal", &names), Some("ip-10-0-1-7.ec2.internal"));
        assert_eq!(nearest_node("ip-10-0-12-1", &names), None);
        assert_eq!(nearest_node("ip-192-168-7-7", &names), None);
    }
}
