//! Makes text fit the screen.

use console::{measure_text_width, truncate_str};

/// Breaks a text between words into at most so many lines of this width; what does not fit ends in `…`. Where lines are
/// not counted nothing is lost: a word that is wider than the screen stays whole.
pub(super) fn wrap(text: &str, width: usize, lines: usize) -> Vec<String> {
    let mut wrapped: Vec<String> = vec![String::new()];
    // Gaps of more than one space are columns, and stay where the line is not broken.
    let mut gap = String::new();
    for word in text.trim().split(' ') {
        if word.is_empty() {
            gap.push(' ');
            continue;
        }
        let last = wrapped.len() - 1;
        let needed = measure_text_width(&wrapped[last]) + gap.len() + measure_text_width(word);
        if wrapped[last].is_empty() {
            word.clone_into(&mut wrapped[last]);
        } else if needed <= width {
            wrapped[last].push_str(&gap);
            wrapped[last].push_str(word);
        } else {
            wrapped.push(word.to_owned());
        }
        " ".clone_into(&mut gap);
    }
    if wrapped.len() > lines {
        wrapped.truncate(lines);
        if let Some(last) = wrapped.last_mut() {
            last.push_str(" …");
        }
    }
    if lines == usize::MAX { wrapped } else { wrapped.iter().map(|line| cut(line, width)).collect() }
}

/// Breaks a line so that what follows hangs two columns further in than its beginning.
pub(super) fn hang(line: &str, width: usize) -> Vec<String> {
    if measure_text_width(line) <= width {
        return vec![line.to_owned()];
    }
    let indent = line.len() - line.trim_start().len();
    let wrapped = wrap(line, width.saturating_sub(indent + 2), usize::MAX);
    let lines = wrapped.into_iter().enumerate();
    lines.map(|(index, text)| format!("{}{text}", " ".repeat(indent + if index == 0 { 0 } else { 2 }))).collect()
}

/// The text, cut to the width; `…` shows that something is missing.
pub(super) fn cut(text: &str, width: usize) -> String {
    truncate_str(text, width, "…").into_owned()
}

/// `left` and `right` at the two ends of a line; what is too long is cut on the left.
pub(super) fn ends(left: &str, right: &str, width: usize) -> String {
    let room = width.saturating_sub(measure_text_width(right) + 2);
    let left = cut(left, room);
    let gap = width.saturating_sub(measure_text_width(&left) + measure_text_width(right));
    format!("{left}{}{right}", " ".repeat(gap))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_between_words_and_cut_with_a_mark() {
        assert_eq!(wrap("one two three", 7, 3), ["one two", "three"]);
        assert_eq!(wrap("one two three four five", 9, 2), ["one two", "three …"]);
        assert_eq!(wrap("immeasurable", 6, 2), ["immea…"]);
        assert_eq!(wrap("immeasurable things", 6, usize::MAX), ["immeasurable", "things"]);
        assert_eq!(wrap("one  two   three", 8, 3), ["one  two", "three"]);
        assert_eq!(ends("node", "3s of 15m", 16), "node   3s of 15m");
        assert_eq!(ends("a long left side", "3s", 10), "a lon…  3s");
    }
}
