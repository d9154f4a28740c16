//! `--chmod`: permission bits as octal digits, or as changes to those that a file has.

use std::fmt;

/// What `--chmod` makes of a file's permission bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chmod {
    /// These bits, whatever the file had.
    Octal(u32),
    /// Changes one after the other, and the text that says them.
    Symbolic {
        /// The text, such as `u=rwX,go=rX`.
        text: String,
        /// What it says.
        changes: Vec<Change>,
    },
}

/// One change, such as `go-w`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Whose bits: of the owner, the group, the others.
    who: [bool; 3],
    what: What,
    /// The bits of each whom it is about, as one octal digit.
    bits: u32,
    /// Whether execution is for directories, and for what somebody may execute already (`X`).
    execute_if: bool,
    /// Set-user-ID and set-group-ID (`s`).
    set_id: bool,
    /// The sticky bit (`t`).
    sticky: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Add,
    Remove,
    Set,
}

/// Why a text is no mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a mode: {reason}")]
pub struct ModeError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Chmod {
    /// Reads octal digits up to 7777, or symbolic changes as chmod(1) takes them.
    pub fn parse(text: &str) -> Result<Self, ModeError> {
        let error = |reason: &str| ModeError {
            text: text.to_owned(),
            reason: reason.to_owned(),
        };
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return match u32::from_str_radix(text, 8) {
                Ok(mode) if mode <= 0o7777 => Ok(Self::Octal(mode)),
                _ => Err(error("octal digits go up to 7777")),
            };
        }
        let mut changes = Vec::new();
        for clause in text.split(',') {
            changes.extend(clause_of(clause).map_err(|reason| error(&reason))?);
        }
        Ok(Self::Symbolic {
            text: text.to_owned(),
            changes,
        })
    }

    /// The bits of a file or directory that had `mode`.
    pub fn apply(&self, mode: u32, is_directory: bool) -> u32 {
        match self {
            Self::Octal(mode) => *mode,
            Self::Symbolic { changes, .. } => changes
                .iter()
                .fold(mode, |mode, change| change.apply(mode, is_directory)),
        }
    }
}

impl Change {
    fn apply(&self, mode: u32, is_directory: bool) -> u32 {
        let mut digit = self.bits;
        if self.execute_if && (is_directory || mode & 0o111 != 0) {
            digit |= 1;
        }
        let mut bits = 0;
        let mut all = 0;
        for (place, shift) in [6, 3, 0].into_iter().enumerate() {
            if self.who[place] {
                bits |= digit << shift;
                all |= 7 << shift;
            }
        }
        if self.set_id {
            bits |= if self.who[0] { 0o4000 } else { 0 };
            bits |= if self.who[1] { 0o2000 } else { 0 };
        }
        if self.sticky {
            bits |= 0o1000;
        }
        match self.what {
            What::Add => mode | bits,
            What::Remove => mode & !bits,
            What::Set => {
                // As with chmod, a directory keeps its set-ID bits unless they are named.
                let special = if is_directory { 0o1000 } else { 0o7000 };
                for (place, bit) in [0o4000, 0o2000, 0o1000].into_iter().enumerate() {
                    all |= if self.who[place] { special & bit } else { 0 };
                }
                mode & !all | bits
            }
        }
    }
}

/// The changes of one clause: `ugoa` in any number, then operators with their permissions.
fn clause_of(clause: &str) -> Result<Vec<Change>, String> {
    let at = clause.find(['+', '-', '=']);
    let Some(at) = at else {
        return Err(format!("{clause:?} has none of +, - and ="));
    };
    let mut who = [false; 3];
    for c in clause[..at].chars() {
        match c {
            'u' => who[0] = true,
            'g' => who[1] = true,
            'o' => who[2] = true,
            'a' => who = [true; 3],
            other => return Err(format!("{other:?} is none of u, g, o and a")),
        }
    }
    // Nobody named is everybody; a build has no umask.
    if at == 0 {
        who = [true; 3];
    }
    let mut changes: Vec<Change> = Vec::new();
    for c in clause[at..].chars() {
        let what = match c {
            '+' => Some(What::Add),
            '-' => Some(What::Remove),
            '=' => Some(What::Set),
            _ => None,
        };
        if let Some(what) = what {
            changes.push(Change {
                who,
                what,
                bits: 0,
                execute_if: false,
                set_id: false,
                sticky: false,
            });
            continue;
        }
        let Some(change) = changes.last_mut() else {
            continue;
        };
        match c {
            'r' => change.bits |= 4,
            'w' => change.bits |= 2,
            'x' => change.bits |= 1,
            'X' => change.execute_if = true,
            's' => change.set_id = true,
            't' => change.sticky = true,
            other => return Err(format!("{other:?} is none of r, w, x, X, s and t")),
        }
    }
    Ok(changes)
}

/// As it was written; octal digits are always four.
impl fmt::Display for Chmod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Octal(mode) => write!(f, "{mode:04o}"),
            Self::Symbolic { text, .. } => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_set_and_changed_as_chmod_does() {
        let check = |text: &str, mode: u32, is_directory: bool, expected: u32| {
            let got = Chmod::parse(text).unwrap().apply(mode, is_directory);
            assert_eq!(got, expected, "{text} of {mode:o}: {got:o}");
        };
        check("755", 0o4600, false, 0o755);
        check("0", 0o777, false, 0);
        check("u+x", 0o644, false, 0o744);
        check("+x", 0o644, false, 0o755);
        check("go-rwx", 0o777, false, 0o700);
        check("u=rwX,go=rX", 0o600, false, 0o644);
        check("u=rwX,go=rX", 0o700, false, 0o755);
        check("u=rwX,go=rX", 0o600, true, 0o755);
        check("a=r", 0o7777, false, 0o444);
        check("a=rx", 0o2775, true, 0o2555);
        check("o=r", 0o1777, false, 0o774);
        check("u=rw", 0o4755, false, 0o655);
        check("go=rX", 0o2755, false, 0o755);
        check("u+s,g+s,+t", 0o755, false, 0o7755);
        check("ug-s", 0o6755, false, 0o755);
        check("u=r+w-r", 0, false, 0o200);
        check("o=", 0o777, false, 0o770);
    }

    #[test]
    fn what_is_no_mode_says_why() {
        let check = |text: &str, part: &str| {
            let said = Chmod::parse(text).unwrap_err().to_string();
            assert!(said.contains(part), "{said}");
        };
        check("99", "octal digits");
        check("10000", "octal digits");
        check("rwx", "none of +, - and =");
        check("k+x", "'k' is none of u, g, o and a");
        check("u+q", "'q' is none of r");
        check("", "none of +");
        check("u+x,", "none of +");
    }
}
