//! `RUN --mount=…`: options as written, and what they mean once variables are expanded.

use super::ast::Spanned;
use super::values;
use crate::diagnostic::{Diagnostic, Span, did_you_mean};

/// One `--mount`, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The value of the flag.
    pub span: Span,
    /// The parts between commas, in order.
    pub options: Vec<MountOption>,
}

/// One part of a `--mount`: `key=value` or `key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountOption {
    /// The whole option.
    pub span: Span,
    /// The key in lower case.
    pub key: String,
    /// The value as written; may hold variables.
    pub value: Option<Spanned<String>>,
}

/// What a `--mount` means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountSpec {
    /// `type`.
    pub kind: MountKind,
    /// `from`: a stage or an image instead of the build context.
    pub from: Option<String>,
    /// `source` or `src`: the path inside `from`; for a secret, its id.
    pub source: Option<String>,
    /// `target`, `dst` or `destination`: where it is mounted.
    pub target: Option<String>,
    /// Whether the command may not write. The default depends on `kind`.
    pub read_only: bool,
    /// `id` of a cache, a secret or an SSH agent.
    pub id: Option<String>,
    /// `sharing` of a cache.
    pub sharing: Sharing,
    /// `required`: fail when the secret or agent is not there.
    pub required: bool,
    /// `size` of a tmpfs in bytes.
    pub size: Option<u64>,
    /// `mode` of the file or directory.
    pub mode: Option<u32>,
    /// `uid` of its owner.
    pub uid: Option<u32>,
    /// `gid` of its group.
    pub gid: Option<u32>,
    /// `env`: the variable that holds the secret.
    pub env: Option<String>,
}

/// What is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MountKind {
    /// Files of the context, a stage or an image.
    Bind,
    /// A directory that outlives the build.
    Cache,
    /// Memory.
    Tmpfs,
    /// A file that never enters the image.
    Secret,
    /// An SSH agent's socket.
    Ssh,
}

/// How steps that run at the same time use one cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Sharing {
    /// All at once.
    #[default]
    Shared,
    /// Each its own.
    Private,
    /// One after the other.
    Locked,
}

/// The kinds by name.
const KINDS: [(&str, MountKind); 5] = [
    ("bind", MountKind::Bind),
    ("cache", MountKind::Cache),
    ("tmpfs", MountKind::Tmpfs),
    ("secret", MountKind::Secret),
    ("ssh", MountKind::Ssh),
];

/// The sharing modes by name.
const SHARINGS: [(&str, Sharing); 3] = [
    ("shared", Sharing::Shared),
    ("private", Sharing::Private),
    ("locked", Sharing::Locked),
];

/// All keys, for suggestions.
const KEYS: [&str; 19] = [
    "type",
    "from",
    "source",
    "src",
    "target",
    "dst",
    "destination",
    "readonly",
    "ro",
    "readwrite",
    "rw",
    "id",
    "sharing",
    "required",
    "size",
    "mode",
    "uid",
    "gid",
    "env",
];

/// Gives a value with its variables expanded, or reports why it cannot.
pub type Expand<'a> = &'a mut dyn FnMut(&Spanned<String>, &mut Vec<Diagnostic>) -> Option<String>;

impl Mount {
    /// Cuts the value of a `--mount` flag at its commas. Nothing is checked here.
    pub(super) fn split(value: &Spanned<String>) -> Self {
        let mut options = Vec::new();
        let mut start = 0;
        let mut quoted = false;
        let text = value.as_str();
        for (i, c) in text.char_indices().chain([(text.len(), ',')]) {
            match c {
                '"' => quoted = !quoted,
                ',' if !quoted || i == text.len() => {
                    options.push(option(value, start, i));
                    start = i + 1;
                }
                _ => {}
            }
        }
        Self {
            span: value.span,
            options,
        }
    }

    /// What the mount means. Everything wrong is reported; `None` if anything was.
    pub fn resolve(
        &self,
        expand: Expand<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<MountSpec> {
        let before = diagnostics.len();
        let mut draft = Draft::default();
        for option in &self.options {
            let value = match &option.value {
                None => None,
                Some(value) => match expand(value, diagnostics) {
                    None => continue,
                    expanded => expanded,
                },
            };
            if let Err(why) = draft.take(option, value) {
                diagnostics.push(why.at(option.span));
            }
        }
        if diagnostics.len() > before {
            return None;
        }
        match draft.finish() {
            Ok(spec) => Some(spec),
            Err(why) => {
                diagnostics.push(why.at(self.span));
                None
            }
        }
    }

    /// Checks a mount as far as it can be checked before variables have values.
    pub(super) fn check(&self, diagnostics: &mut Vec<Diagnostic>) {
        let varies = |option: &MountOption| option.value.as_ref().is_some_and(|v| v.contains('$'));
        for option in self.options.iter().filter(|o| o.key == "from" && varies(o)) {
            diagnostics.push(
                Diagnostic::error(
                    "InvalidMount",
                    option.span,
                    "`from` of a mount cannot hold a variable",
                )
                .note("name a stage for it: FROM with the variable, AS and a name"),
            );
        }
        if !self.options.iter().any(varies) {
            self.resolve(&mut |value, _| Some(value.value.clone()), diagnostics);
        }
    }
}

fn option(value: &Spanned<String>, start: usize, end: usize) -> MountOption {
    // Places are exact as long as the value stands in one piece and without quotes.
    let exact = value.span.end - value.span.start == value.len();
    let place = |from: usize, to: usize| {
        if exact {
            Span::new(value.span.start + from, value.span.start + to)
        } else {
            value.span
        }
    };
    let text = &value[start..end];
    let plain = text.replace('"', "");
    let (key, rest) = match plain.split_once('=') {
        None => (plain.as_str(), None),
        Some((key, rest)) => (key, Some(rest)),
    };
    let equals = text.find('=').map_or(end, |i| start + i + 1);
    MountOption {
        span: place(start, end),
        key: key.to_ascii_lowercase(),
        value: rest.map(|v| Spanned::new(v.to_owned(), place(equals, end))),
    }
}

/// A sentence about a mount, and another that helps.
struct Complaint {
    message: String,
    note: Option<String>,
}

impl Complaint {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            note: None,
        }
    }

    fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    fn at(self, span: Span) -> Diagnostic {
        let finding = Diagnostic::error("InvalidMount", span, self.message);
        match self.note {
            Some(note) => finding.note(note),
            None => finding,
        }
    }
}

/// A mount whose options are being read.
#[derive(Default)]
struct Draft {
    kind: Option<MountKind>,
    from: Option<String>,
    source: Option<String>,
    target: Option<String>,
    read_only: Option<bool>,
    id: Option<String>,
    sharing: Option<Sharing>,
    required: Option<bool>,
    size: Option<u64>,
    mode: Option<u32>,
    uid: Option<u32>,
    gid: Option<u32>,
    env: Option<String>,
}

impl Draft {
    fn take(&mut self, option: &MountOption, value: Option<String>) -> Result<(), Complaint> {
        let key = option.key.as_str();
        let Some(value) = value else {
            match key {
                "readonly" | "ro" => self.read_only = Some(true),
                "readwrite" | "rw" => self.read_only = Some(false),
                "required" => self.required = Some(true),
                _ if KEYS.contains(&key) => {
                    return Err(Complaint::new(format!("`{key}` of a mount needs a value"))
                        .note(format!("it is written {key}=VALUE")));
                }
                _ => return Err(unknown_key(key)),
            }
            return Ok(());
        };
        let boolean = || boolean(key, &value);
        match key {
            "type" => self.kind = Some(choose("type", &value, &KINDS)?),
            "from" => self.from = Some(value),
            "source" | "src" => self.source = Some(value),
            "target" | "dst" | "destination" => self.target = Some(value),
            "readonly" | "ro" => self.read_only = Some(boolean()?),
            "readwrite" | "rw" => self.read_only = Some(!boolean()?),
            "required" => self.required = Some(boolean()?),
            "id" => self.id = Some(value),
            "env" => self.env = Some(value),
            "sharing" => self.sharing = Some(choose("sharing", &value, &SHARINGS)?),
            "size" => {
                let size = values::size(&value).map_err(|e| Complaint::new(e.to_string()))?;
                self.size = Some(size);
            }
            "mode" => self.mode = Some(number(key, &value, 8)?),
            "uid" => self.uid = Some(number(key, &value, 10)?),
            "gid" => self.gid = Some(number(key, &value, 10)?),
            _ => return Err(unknown_key(key)),
        }
        Ok(())
    }

    /// What BuildKit checks once all options are known.
    fn finish(self) -> Result<MountSpec, Complaint> {
        use MountKind::{Bind, Cache, Secret, Ssh, Tmpfs};
        let kind = self.kind.unwrap_or(Bind);
        let only = |there: bool, key: &str, kinds: &[MountKind]| {
            if there && !kinds.contains(&kind) {
                let name = KINDS.iter().find(|(_, k)| *k == kind).map_or("", |k| k.0);
                return Err(Complaint::new(format!("a {name} mount has no `{key}`")));
            }
            Ok(())
        };
        only(self.mode.is_some(), "mode", &[Cache, Secret, Ssh])?;
        only(self.uid.is_some(), "uid", &[Cache, Secret, Ssh])?;
        only(self.gid.is_some(), "gid", &[Cache, Secret, Ssh])?;
        only(self.required.is_some(), "required", &[Secret, Ssh])?;
        only(self.size.is_some(), "size", &[Tmpfs])?;
        only(self.sharing.is_some(), "sharing", &[Cache])?;
        only(self.env.is_some(), "env", &[Secret])?;
        only(self.from.is_some(), "from", &[Bind, Cache, Tmpfs, Ssh])?;
        if kind == Secret {
            if self.source.is_some() && self.id.is_some() {
                return Err(Complaint::new(
                    "`source` and `id` of a secret mean the same; write one of them",
                ));
            }
            if self.source.is_none() && self.target.is_none() && self.id.is_none() {
                return Err(Complaint::new("a secret mount needs an `id` or a `target`"));
            }
        }
        Ok(MountSpec {
            kind,
            from: self.from,
            source: self.source,
            target: self.target,
            read_only: self.read_only.unwrap_or(!matches!(kind, Cache | Tmpfs)),
            id: self.id,
            sharing: self.sharing.unwrap_or_default(),
            required: self.required.unwrap_or(false),
            size: self.size,
            mode: self.mode,
            uid: self.uid,
            gid: self.gid,
            env: self.env,
        })
    }
}

fn choose<T: Copy>(key: &str, value: &str, table: &[(&str, T)]) -> Result<T, Complaint> {
    let lower = value.to_ascii_lowercase();
    if let Some((_, found)) = table.iter().find(|(name, _)| *name == lower) {
        return Ok(*found);
    }
    let names: Vec<_> = table.iter().map(|(name, _)| *name).collect();
    let complaint = Complaint::new(format!("`{value}` is no {key} of a mount"));
    Err(match did_you_mean(value, names.iter().copied()) {
        Some(near) => complaint.note(format!("did you mean {near}?")),
        None => complaint.note(format!("it is one of {}", names.join(", "))),
    })
}

fn unknown_key(key: &str) -> Complaint {
    let complaint = Complaint::new(format!("a mount has no option `{key}`"));
    match did_you_mean(key, KEYS) {
        Some(near) => complaint.note(format!("did you mean {near}?")),
        None => complaint,
    }
}

/// Go's idea of a boolean.
fn boolean(key: &str, value: &str) -> Result<bool, Complaint> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(Complaint::new(format!(
            "`{key}` of a mount is true or false, not `{value}`"
        ))),
    }
}

fn number(key: &str, value: &str, radix: u32) -> Result<u32, Complaint> {
    let digits = value.bytes().all(|b| b.is_ascii_digit());
    let number = u32::from_str_radix(value, radix).ok().filter(|_| digits);
    let wanted = if radix == 8 {
        "an octal number"
    } else {
        "a number"
    };
    number.ok_or_else(|| Complaint::new(format!("`{key}` of a mount is {wanted}, not `{value}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> Result<MountSpec, Vec<String>> {
        let span = Span::new(10, 10 + text.len());
        let mount = Mount::split(&Spanned::new(text.to_owned(), span));
        let mut diagnostics = Vec::new();
        let spec = mount.resolve(&mut |v, _| Some(v.value.clone()), &mut diagnostics);
        spec.ok_or_else(|| diagnostics.into_iter().map(|d| d.message).collect())
    }

    #[test]
    fn each_kind_has_its_defaults() {
        let cache =
            resolve("type=cache,target=/root/.cache,sharing=locked,uid=5,mode=0755").unwrap();
        assert_eq!(cache.kind, MountKind::Cache);
        assert_eq!(cache.sharing, Sharing::Locked);
        assert_eq!((cache.mode, cache.uid), (Some(0o755), Some(5)));
        assert!(!cache.read_only);
        let bind = resolve("source=a,target=b,from=build").unwrap();
        assert_eq!((bind.kind, bind.read_only), (MountKind::Bind, true));
        assert!(!resolve("target=b,rw").unwrap().read_only);
        assert!(resolve("TYPE=tmpfs,dst=b,readonly=true").unwrap().read_only);
        let tmpfs = resolve("type=tmpfs,target=/t,size=64m").unwrap();
        assert_eq!(tmpfs.size, Some(64 << 20));
        let secret = resolve("type=secret,id=token,env=TOKEN,required").unwrap();
        assert!(secret.required && secret.env.as_deref() == Some("TOKEN"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let check = |text: &str, expected: &[&str]| {
            let got = resolve(text).map(|_| ()).unwrap_err();
            assert_eq!(got, expected, "{text}");
        };
        check("type=bnid", &["`bnid` is no type of a mount"]);
        check(
            "type=cache,sharing=x,mode=9",
            &[
                "`x` is no sharing of a mount",
                "`mode` of a mount is an octal number, not `9`",
            ],
        );
        check("target", &["`target` of a mount needs a value"]);
        check("tagret=/x", &["a mount has no option `tagret`"]);
        check(
            "type=secret",
            &["a secret mount needs an `id` or a `target`"],
        );
        check("type=bind,size=3", &["a bind mount has no `size`"]);
        check("type=secret,id=a,from=b", &["a secret mount has no `from`"]);
        check(
            "ro=perhaps",
            &["`ro` of a mount is true or false, not `perhaps`"],
        );
        check("", &["a mount has no option ``"]);
    }

    #[test]
    fn options_know_their_places() {
        let mount = Mount::split(&Spanned::new(
            "type=bind,target=/x".into(),
            Span::new(7, 26),
        ));
        assert_eq!(mount.options[1].span, Span::new(17, 26));
        assert_eq!(
            mount.options[1].value.as_ref().unwrap().span,
            Span::new(24, 26)
        );
    }
}
