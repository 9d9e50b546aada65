//! Changes of a column's type that keep every value as it is.

/// What a change of type means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Widening {
    /// Nothing is written anew.
    Free,
    /// Every row is written anew.
    Rewrites,
    /// Values might not fit, or would become others to those who read them.
    Refused,
}

/// From one type to another, both as `format_type` writes them.
pub(super) fn widening(from: &str, to: &str) -> Widening {
    let (from_element, to_element) = (from.strip_suffix("[]"), to.strip_suffix("[]"));
    if from_element.is_some() != to_element.is_some() {
        return Widening::Refused;
    }
    let (from, to) = (from_element.unwrap_or(from), to_element.unwrap_or(to));
    match (digits(from), digits(to)) {
        (Some((precision, scale)), Some((new_precision, new_scale))) => {
            let keeps_all = new_precision - new_scale >= precision - scale && new_scale >= scale;
            match keeps_all {
                // Inside of a list, PostgreSQL looks at each value.
                true if new_scale == scale && from_element.is_none() => Widening::Free,
                true => Widening::Rewrites,
                false => Widening::Refused,
            }
        }
        // An integer has at most ten digits.
        (None, Some((precision, scale))) if from == "integer" && precision - scale >= 10 => Widening::Rewrites,
        _ if (from, to) == ("integer", "bigint") => Widening::Rewrites,
        _ => Widening::Refused,
    }
}

/// Precision and scale of `numeric(12,2)`.
fn digits(kind: &str) -> Option<(i32, i32)> {
    let (precision, scale) = kind.strip_prefix("numeric(")?.strip_suffix(')')?.split_once(',')?;
    Some((precision.parse().ok()?, scale.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_every_value_is_free_or_a_rewrite_and_all_else_is_refused() {
        let cases = [
            ("numeric(10,2)", "numeric(12,2)", Widening::Free),
            ("numeric(10,2)", "numeric(12,4)", Widening::Rewrites),
            ("numeric(10,2)", "numeric(11,4)", Widening::Refused),
            ("numeric(10,2)[]", "numeric(12,2)[]", Widening::Rewrites),
            ("integer", "bigint", Widening::Rewrites),
            ("integer", "numeric(12,2)", Widening::Rewrites),
            ("integer", "numeric(10,2)", Widening::Refused),
            ("bigint", "integer", Widening::Refused),
            ("date", "timestamp with time zone", Widening::Refused),
            ("text", "text[]", Widening::Refused),
            ("text", "entities.secret", Widening::Refused),
        ];
        for (from, to, expected) in cases {
            assert_eq!(widening(from, to), expected, "{from} to {to}");
        }
    }
}
