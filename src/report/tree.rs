//! From what waits down to what it waits for, as lines.

use console::measure_text_width;

use super::names::Names;
use crate::domain::Branch;

/// More lines than a screen has explain nothing.
const SHOWN: usize = 40;

/// The branches, each below what waits for it; one that leads to one thing only shares its line where there is room.
pub(super) fn tree(branches: &[Branch], names: &Names, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for branch in branches {
        lines.push(label(branch, names));
        below(branch, names, width, "", &mut lines);
    }
    if lines.len() > SHOWN {
        let more = lines.len() - SHOWN + 1;
        lines.truncate(SHOWN - 1);
        lines.push(format!("and {more} lines more, which -o json has"));
    }
    lines
}

fn below(branch: &Branch, names: &Names, width: usize, indent: &str, lines: &mut Vec<String>) {
    for (index, next) in branch.below.iter().enumerate() {
        let last = index + 1 == branch.below.len() && branch.more == 0;
        let (twig, rest) = if last { ("└ ", "  ") } else { ("├ ", "│ ") };
        let mut line = format!("{indent}{twig}{}", label(next, names));
        let mut end = next;
        while let [only] = end.below.as_slice()
            && end.causes.is_empty()
            && end.more == 0
        {
            let longer = format!("{line} ─ {}", label(only, names));
            if measure_text_width(&longer) > width {
                break;
            }
            (line, end) = (longer, only);
        }
        lines.push(line);
        below(end, names, width, &format!("{indent}{rest}"), lines);
    }
    if branch.more > 0 {
        lines.push(format!("{indent}└ {} more", branch.more));
    }
}

/// `pdb/shop/cart  PDB-NEVER-ALLOWS`
fn label(branch: &Branch, names: &Names) -> String {
    let causes: Vec<_> = branch.causes.iter().map(|cause| cause.code()).collect();
    let causes = if causes.is_empty() { String::new() } else { format!("  {}", causes.join(", ")) };
    let seen = if branch.seen_above { "  (as above)" } else { "" };
    format!("{}{causes}{seen}", names.shorten(&branch.object.to_string()))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::{
        domain::{Cause, Object, PdbRef},
        report::fixtures::pod,
    };

    fn branch(object: Object, causes: &[Cause], below: Vec<Branch>) -> Branch {
        Branch { object, causes: causes.to_vec(), below, more: 0, seen_above: false }
    }

    fn grown() -> Branch {
        let pdb = |name: &str| Object::Pdb(PdbRef { namespace: "shop".to_owned(), name: name.to_owned() });
        let crash = branch(Object::Pod(pod("cart-7d9f")), &[Cause::PodCrashLoop], Vec::new());
        let exhausted = branch(pdb("cart"), &[Cause::PdbExhausted], vec![crash]);
        let never = branch(pdb("ledger"), &[Cause::PdbNeverAllows], Vec::new());
        let again = Branch { seen_above: true, ..branch(pdb("cart"), &[Cause::PdbExhausted], Vec::new()) };
        let pods = [("ledger-1", never), ("cart-1", exhausted), ("cart-2", again)];
        let pods = pods.map(|(name, below)| branch(Object::Pod(pod(name)), &[], vec![below]));
        let node = Object::Node("ip-10-0-2-9.eu-west-1.compute.internal".into());
        Branch { more: 3, ..branch(node, &[], pods.into()) }
    }

    #[test]
    fn what_leads_to_one_thing_shares_its_line_where_there_is_room() {
        let mut names = Names::default();
        names.learn(&"ip-10-0-2-9.eu-west-1.compute.internal".into());
        assert_snapshot!(tree(&[grown()], &names, 80).join("\n"), @"
        node/ip-10-0-2-9
        ├ pod/shop/ledger-1 ─ pdb/shop/ledger  PDB-NEVER-ALLOWS
        ├ pod/shop/cart-1 ─ pdb/shop/cart  PDB-EXHAUSTED
        │ └ pod/shop/cart-7d9f  POD-CRASH-LOOP
        ├ pod/shop/cart-2 ─ pdb/shop/cart  PDB-EXHAUSTED  (as above)
        └ 3 more
        ");
        assert_snapshot!(tree(&[grown()], &names, 40).join("\n"), @"
        node/ip-10-0-2-9
        ├ pod/shop/ledger-1
        │ └ pdb/shop/ledger  PDB-NEVER-ALLOWS
        ├ pod/shop/cart-1
        │ └ pdb/shop/cart  PDB-EXHAUSTED
        │   └ pod/shop/cart-7d9f  POD-CRASH-LOOP
        ├ pod/shop/cart-2
        │ └ pdb/shop/cart  PDB-EXHAUSTED  (as above)
        └ 3 more
        ");
    }

    #[test]
    fn more_than_a_screen_is_counted() {
        let lines = tree(&vec![grown(); 10], &Names::default(), 80);
        assert_eq!(lines.len(), SHOWN);
        assert_eq!(lines[SHOWN - 1], "and 21 lines more, which -o json has");
    }
}
