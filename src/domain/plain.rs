//! Words that somebody else wrote.

use std::borrow::Cow;

/// The text on one line and without control characters: whoever answers for a webhook or writes an event must not move
/// the cursor of whoever reads it.
#[must_use]
pub fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let shown: String = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    // What is left of a sequence that coloured something would puzzle: it goes as a whole.
    let shown = console::strip_ansi_codes(&shown).replace(char::is_control, "");
    Cow::Owned(shown.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_moves_a_cursor_is_left() {
        assert_eq!(plain("as it  was"), "as it  was");
        assert_eq!(plain("message \u{1b}[31mred\u{1b}[0m\r\nand\ta\u{7} bell\u{9b}2J"), "message red and a bell");
        assert_eq!(plain("\u{1b}]0;title\u{7}x"), "x");
    }
}
