//! The words behind a command: options, in Docker's two notations, and the rest.

use coracle::diagnostic::did_you_mean;

use super::Failure;

/// Words that are taken one by one; [`Words::rest`] refuses what nobody has taken.
#[derive(Debug)]
pub(crate) struct Words {
    left: Vec<String>,
    /// The options that were asked for, for the message about one that does not exist.
    known: Vec<&'static str>,
    /// Whether options may stand behind the first word that is none.
    mixed: bool,
}

impl Words {
    /// Of a command line, without the command.
    pub(crate) fn new(args: &[String]) -> Self {
        Self {
            left: args.to_vec(),
            known: Vec::new(),
            mixed: true,
        }
    }

    /// Options end at the first word that is none: what follows is another program's.
    pub(crate) fn program_follows(&mut self) {
        self.mixed = false;
    }

    /// Whether a switch is there, under any of its names.
    pub(crate) fn flag(&mut self, names: &[&'static str]) -> bool {
        self.known.extend(names);
        let end = self.end();
        let found = self.left[..end]
            .iter()
            .position(|w| names.contains(&w.as_str()));
        found.is_some_and(|at| {
            self.left.remove(at);
            true
        })
    }

    /// The values of an option, which stand behind it or behind its equals sign.
    pub(crate) fn values(&mut self, names: &[&'static str]) -> Result<Vec<String>, Failure> {
        self.known.extend(names);
        let mut values = Vec::new();
        let mut at = 0;
        while at < self.end() {
            let word = &self.left[at];
            let (name, value) = match word.split_once('=') {
                Some((name, value)) if name.starts_with('-') => (name, Some(value.to_owned())),
                _ => (word.as_str(), None),
            };
            if !names.contains(&name) {
                at += 1;
                continue;
            }
            let option = self.left.remove(at);
            match value {
                Some(value) => values.push(value),
                None if at < self.left.len() => values.push(self.left.remove(at)),
                None => return Err(format!("{option} wants a value").into()),
            }
        }
        Ok(values)
    }

    /// The value of an option that counts once: the last.
    pub(crate) fn value(&mut self, names: &[&'static str]) -> Result<Option<String>, Failure> {
        Ok(self.values(names)?.pop())
    }

    /// What is left: the words that are no options.
    pub(crate) fn rest(self) -> Result<Vec<String>, Failure> {
        let end = self.end();
        let is_option = |word: &&String| word.starts_with('-') && word.len() > 1;
        if let Some(unknown) = self.left[..end].iter().find(is_option) {
            let name = unknown.split('=').next().unwrap_or(unknown);
            let near = did_you_mean(name, self.known.iter().copied());
            let near = near.map(|near| format!("; did you mean {near}?"));
            let near = near.unwrap_or_else(|| match self.known.as_slice() {
                [] => "; here it has no options".to_owned(),
                known => format!("; here there are {}", known.join(", ")),
            });
            return Err(format!("unknown option {name}{near}").into());
        }
        Ok(self.left.into_iter().filter(|word| word != "--").collect())
    }

    /// Exactly so many words.
    pub(crate) fn exactly<const N: usize>(self, usage: &str) -> Result<[String; N], Failure> {
        let words = self.rest()?;
        words
            .try_into()
            .map_err(|_| Failure::from(format!("usage: coracle {usage}")))
    }

    /// Up to where options may stand.
    fn end(&self) -> usize {
        let end = self.left.iter().position(|word| word == "--");
        let end = end.unwrap_or(self.left.len());
        if self.mixed {
            return end;
        }
        // An option without `=` may have its value behind it, so the caller takes those first.
        let first = self.left[..end]
            .iter()
            .position(|word| !word.starts_with('-'));
        first.unwrap_or(end)
    }
}
