//! Quantities: `3920m`, `16Gi`, `1e3`.

/// In thousandths of a unit, rounded down; none for what is no quantity, or is too much to count so.
pub(super) fn thousandths(quantity: &str) -> Option<i64> {
    let text = quantity.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-'))).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (sign, digits) = match number.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.len() + fraction.len() == 0 || fraction.len() > 18 {
        return None;
    }
    let mantissa: i128 = format!("{whole}{fraction}").parse().ok()?;
    let (times, over) = factor(suffix)?;
    let over = over.checked_mul(10_i128.pow(u32::try_from(fraction.len()).ok()?))?;
    let value = mantissa.checked_mul(times)?.checked_mul(1000)?.div_euclid(over);
    i64::try_from(sign * value).ok()
}

/// What a suffix multiplies by, and divides by.
fn factor(suffix: &str) -> Option<(i128, i128)> {
    let decimal = |power: u32| (10_i128.pow(power), 1);
    Some(match suffix {
        "n" => (1, 1_000_000_000),
        "u" => (1, 1_000_000),
        "m" => (1, 1000),
        "" => (1, 1),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        exponent => {
            let power: i32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            let by = 10_i128.checked_pow(power.unsigned_abs())?;
            if power < 0 { (1, by) } else { (by, 1) }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_writes_them() {
        for (text, expected) in [
            ("4", 4_000),
            ("3920m", 3_920),
            ("0.5", 500),
            ("1.5Gi", 1_610_612_736_000),
            ("16Gi", 17_179_869_184_000),
            ("7134420Ki", 7_305_646_080_000),
            ("18242267924", 18_242_267_924_000),
            ("1e3", 1_000_000),
            ("12E-1", 1_200),
            ("100n", 0),
            ("0", 0),
            ("-1", -1_000),
        ] {
            assert_eq!(thousandths(text), Some(expected), "{text}");
        }
        for text in ["", "Gi", "four", "1Xi", "9Ei"] {
            assert_eq!(thousandths(text), None, "{text}");
        }
    }
}
