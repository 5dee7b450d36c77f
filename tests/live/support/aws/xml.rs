//! XML as the Query protocol writes it.

/// `<name>text</name>`, escaped.
#[allow(clippy::needless_pass_by_value, reason = "numbers, texts and references alike")]
pub fn leaf(name: &str, text: impl ToString) -> String {
    format!("<{name}>{}</{name}>", escape(&text.to_string()))
}

/// The same, or nothing.
pub fn optional(name: &str, text: Option<impl ToString>) -> String {
    text.map(|text| leaf(name, text)).unwrap_or_default()
}

/// `<name>…</name>` around XML.
pub fn node(name: &str, inside: &str) -> String {
    format!("<{name}>{inside}</{name}>")
}

/// A list of `<member>`s.
pub fn members(name: &str, items: impl IntoIterator<Item = String>) -> String {
    let members: String = items.into_iter().map(|item| node("member", &item)).collect();
    node(name, &members)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
