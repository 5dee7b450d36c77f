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
}
