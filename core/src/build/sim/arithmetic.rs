//! `$(( … ))`: whole numbers and their operators.

use std::collections::BTreeMap;

/// Operators of two operands, by how tightly they bind: the loosest first.
const OPERATORS: &[&[&str]] = &[
    &["||"],
    &["&&"],
    &["|"],
    &["^"],
    &["&"],
    &["==", "!="],
    &["<=", ">=", "<", ">"],
    &["<<", ">>"],
    &["+", "-"],
    &["*", "/", "%"],
];

/// Parentheses nest this deep.
const DEEPEST: usize = 40;

struct Reader<'s> {
    rest: &'s str,
    variables: &'s BTreeMap<String, String>,
    depth: usize,
}

/// The value of an expression, or what of it is not understood.
pub(super) fn evaluate(text: &str, variables: &BTreeMap<String, String>) -> Result<i64, String> {
    let mut reader = Reader {
        rest: text,
        variables,
        depth: 0,
    };
    if text.trim().is_empty() {
        return Ok(0);
    }
    let value = reader.level(0)?;
    reader.blanks();
    if reader.rest.is_empty() {
        Ok(value)
    } else {
        Err(format!("`{}` in arithmetic", reader.rest))
    }
}

impl Reader<'_> {
    fn blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn level(&mut self, level: usize) -> Result<i64, String> {
        let Some(operators) = OPERATORS.get(level) else {
            return self.unary();
        };
        let mut left = self.level(level + 1)?;
        loop {
            self.blanks();
            let found = operators.iter().find(|o| self.is_next(o));
            let Some(operator) = found else {
                return Ok(left);
            };
            self.rest = &self.rest[operator.len()..];
            let right = self.level(level + 1)?;
            left = apply(operator, left, right)?;
        }
    }

    /// Whether this operator comes next, and not a longer one that begins like it.
    fn is_next(&self, operator: &str) -> bool {
        let Some(after) = self.rest.strip_prefix(operator) else {
            return false;
        };
        match operator {
            "|" => !after.starts_with('|'),
            "&" => !after.starts_with('&'),
            "<" => !after.starts_with('<'),
            ">" => !after.starts_with('>'),
            _ => true,
        }
    }

    fn unary(&mut self) -> Result<i64, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("arithmetic that is nested so deeply".to_owned());
        }
        self.blanks();
        let mut chars = self.rest.chars();
        let first = chars.next();
        let value = match first {
            Some('-' | '+' | '!' | '~') => {
                self.rest = chars.as_str();
                let value = self.unary()?;
                match first {
                    Some('-') => value.wrapping_neg(),
                    Some('!') => i64::from(value == 0),
                    Some('~') => !value,
                    _ => value,
                }
            }
            Some('(') => {
                self.rest = chars.as_str();
                let value = self.level(0)?;
                self.blanks();
                self.rest = self
                    .rest
                    .strip_prefix(')')
                    .ok_or("arithmetic without a )")?;
                value
            }
            _ => self.operand()?,
        };
        self.depth -= 1;
        Ok(value)
    }

    fn operand(&mut self) -> Result<i64, String> {
        let end = self
            .rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        if word.is_empty() {
            return Err(format!("`{}` in arithmetic", self.rest));
        }
        self.rest = rest;
        let text = if word.starts_with(|c: char| c.is_ascii_digit()) {
            word
        } else {
            self.variables.get(word).map_or("0", |value| value.trim())
        };
        number(text).ok_or_else(|| format!("`{text}` as a number"))
    }
}

fn number(text: &str) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let value = if let Some(hex) = digits.strip_prefix("0x") {
        i64::from_str_radix(hex, 16)
    } else if digits.len() > 1 && digits.starts_with('0') {
        i64::from_str_radix(digits, 8)
    } else {
        digits.parse()
    };
    value.ok().map(|value: i64| sign * value)
}

fn apply(operator: &str, left: i64, right: i64) -> Result<i64, String> {
    let truth = |value: bool| Ok(i64::from(value));
    let shift = u32::try_from(right.rem_euclid(64)).unwrap_or(0);
    match operator {
        "||" => truth(left != 0 || right != 0),
        "&&" => truth(left != 0 && right != 0),
        "|" => Ok(left | right),
        "^" => Ok(left ^ right),
        "&" => Ok(left & right),
        "==" => truth(left == right),
        "!=" => truth(left != right),
        "<=" => truth(left <= right),
        ">=" => truth(left >= right),
        "<" => truth(left < right),
        ">" => truth(left > right),
        "<<" => Ok(left.wrapping_shl(shift)),
        ">>" => Ok(left.wrapping_shr(shift)),
        "+" => Ok(left.wrapping_add(right)),
        "-" => Ok(left.wrapping_sub(right)),
        "*" => Ok(left.wrapping_mul(right)),
        _ if right == 0 => Err("a division by zero".to_owned()),
        "/" => Ok(left.wrapping_div(right)),
        _ => Ok(left.wrapping_rem(right)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_have_values() {
        let variables = BTreeMap::from([("i".to_owned(), "7".to_owned())]);
        let check = |text: &str, value: Option<i64>| {
            assert_eq!(evaluate(text, &variables).ok(), value, "{text}");
        };
        check("1 + 2 * 3", Some(7));
        check("(1 + 2) * 3", Some(9));
        check("i - 1", Some(6));
        check("i % 4 == 3 && !0", Some(1));
        check("-2 - -3", Some(1));
        check("0x10 + 010", Some(24));
        check("1 / 0", None);
        check("1 +", None);
        check("", Some(0));
        check(&"(".repeat(100), None);
    }
}
