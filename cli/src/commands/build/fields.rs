//! Options that are lists of fields, as in `type=local,dest=out`.

use coracle::diagnostic::did_you_mean;

use crate::failure::Failure;

/// The fields of one option, from which what is understood is taken bit by bit.
#[derive(Debug)]
pub(super) struct Fields {
    option: &'static str,
    text: String,
    left: Vec<(String, String)>,
    known: Vec<&'static str>,
}

impl Fields {
    /// Cuts `text` at its commas, as a line of a CSV file: a field in quotes may hold commas.
    pub(super) fn parse(option: &'static str, text: &str) -> Result<Self, Failure> {
        let mut fields = Self {
            option,
            text: text.to_owned(),
            left: Vec::new(),
            known: Vec::new(),
        };
        for field in split(text) {
            match field.split_once('=') {
                Some((key, value)) if !key.trim().is_empty() => {
                    let key = key.trim().to_ascii_lowercase();
                    fields.left.push((key, value.to_owned()));
                }
                _ => {
                    return Err(fields.wrong(format!("{field:?} is not of the form KEY=VALUE")));
                }
            }
        }
        Ok(fields)
    }

    /// Takes the field of this name, which may have several. Of two the later one counts.
    pub(super) fn take(&mut self, keys: &[&'static str]) -> Option<String> {
        self.known.extend(keys);
        let mut found = None;
        self.left.retain(|(key, value)| {
            let is_it = keys.contains(&key.as_str());
            if is_it {
                found = Some(value.clone());
            }
            !is_it
        });
        found
    }

    /// Takes a field that is `true` or `false`.
    pub(super) fn take_flag(&mut self, key: &'static str) -> Result<Option<bool>, Failure> {
        match self.take(&[key]).as_deref() {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(other) => Err(self.wrong(format!("{key} is true or false, not {other:?}"))),
        }
    }

    /// Complains about the fields that nobody has taken.
    pub(super) fn finish(self) -> Result<(), Failure> {
        let Some((key, _)) = self.left.first() else {
            return Ok(());
        };
        let near = did_you_mean(key, self.known.iter().copied());
        let near = near.map_or(String::new(), |near| format!(", did you mean {near}?"));
        let message = format!("there is no field {key:?} here{near}");
        Err(self
            .wrong(message)
            .hint(format!("The fields are {}.", self.known.join(", "))))
    }

    /// Something is wrong with the option.
    pub(super) fn wrong(&self, why: impl AsRef<str>) -> Failure {
        Failure::new(format!("{} {}: {}", self.option, self.text, why.as_ref()))
    }
}

/// The fields of a CSV line.
fn split(text: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        let Some(field) = fields.last_mut() else {
            break;
        };
        match c {
            // Two quotes inside quotes are one that is meant.
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' if quoted || field.is_empty() => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => field.push(c),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_cut_as_csv() {
        let check = |text: &str, expected: &[&str]| assert_eq!(split(text), expected);
        check("a=1", &["a=1"]);
        check("a=1,b=2", &["a=1", "b=2"]);
        check("\"name=a,b\",c=3", &["name=a,b", "c=3"]);
        check("\"a=\"\"x\"\"\"", &["a=\"x\""]);
        check("a=x\"y", &["a=x\"y"]);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let check = |text: &str, part: &str| {
            let wrong = |text: &str| -> Result<(), Failure> {
                let mut fields = Fields::parse("--thing", text)?;
                fields.take(&["dest"]);
                fields.take_flag("tar")?;
                fields.finish()
            };
            let said = wrong(text).unwrap_err().message.unwrap();
            assert!(said.starts_with(&format!("--thing {text}: ")), "{said}");
            assert!(said.contains(part), "{said}");
        };
        check("dset=x", "did you mean dest?");
        check("out", "\"out\" is not of the form KEY=VALUE");
        check("tar=maybe", "tar is true or false");
        check("other=1", "The fields are dest, tar.");
    }
}
