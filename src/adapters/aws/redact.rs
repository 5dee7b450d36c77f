//! Keeps secrets out of messages: AWS repeats parts of a request in some of its errors.

/// The longest message that is passed on; encoded authorization failures run to thousands of characters.
const LONGEST: usize = 600;

/// The message without access keys, tokens or presigned parameters, on one line.
pub(super) fn message(text: &str) -> String {
    let mut words = Vec::new();
    for word in text.split_whitespace() {
        words.push(if is_secret(word) { "(redacted)" } else { word });
    }
    let mut kept = words.join(" ");
    if let Some((end, _)) = kept.char_indices().nth(LONGEST) {
        kept.truncate(end);
        kept.push('…');
    }
    kept
}

fn is_secret(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    lower.contains("x-amz-") || lower.contains("k8s-aws-v1.") || word.split(|c: char| !c.is_alphanumeric()).any(is_key)
}

/// Access key ids: four letters for the kind, then sixteen or more capitals and digits.
fn is_key(part: &str) -> bool {
    (part.starts_with("AKIA") || part.starts_with("ASIA"))
        && part.len() >= 16
        && part.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::message;

    #[test]
    fn keys_tokens_and_signed_addresses_do_not_pass() {
        let text =
            "key AKIAIOSFODNN7EXAMPLE, https://sts/?X-Amz-Signature=abc\n x-amz-security-token:FwoG k8s-aws-v1.aHR0";
        assert_eq!(message(text), "key (redacted) (redacted) (redacted) (redacted)");
        assert_eq!(message("instance i-0abc is gone"), "instance i-0abc is gone");
        assert_eq!(message(&"x".repeat(700)).chars().count(), 601);
    }
}
