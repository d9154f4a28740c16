//! Who one is at which registry: what Docker and Podman wrote down, and their helpers.
//!
//! Both programs keep a JSON file with the same fields: `auths` by registry, with the name and
//! password in base64 or an identity token; `credHelpers` and `credsStore`, which name a program
//! `docker-credential-…` that keeps them elsewhere.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coracle::registry::auth::Credentials;
use serde_json::{Map, Value, json};

use crate::failure::Failure;

/// The files, in the order in which they are looked into. The last one is written to, unless
/// `--authfile` or `REGISTRY_AUTH_FILE` names one.
#[derive(Debug, Clone)]
pub(crate) struct Keeper {
    read: Vec<PathBuf>,
    write: PathBuf,
}

/// What Docker calls Docker Hub in its file.
const HUB: &str = "https://index.docker.io/v1/";

/// The name that says that a helper's secret is an identity token.
const TOKEN: &str = "<token>";

impl Keeper {
    /// Where the files are: the one that is `named`, or else Podman's and Docker's.
    /// `variable` looks up the environment.
    pub(super) fn new(
        named: Option<&Path>,
        variable: &dyn Fn(&str) -> Option<PathBuf>,
    ) -> Result<Self, Failure> {
        let named = named
            .map(Path::to_owned)
            .or_else(|| variable("REGISTRY_AUTH_FILE"));
        if let Some(path) = named {
            return Ok(Self {
                read: vec![path.clone()],
                write: path,
            });
        }
        let home = variable("HOME");
        let docker = variable("DOCKER_CONFIG")
            .or_else(|| Some(home.as_ref()?.join(".docker")))
            .map(|directory| directory.join("config.json"));
        let podman = [
            variable("XDG_RUNTIME_DIR").map(|d| d.join("containers/auth.json")),
            variable("XDG_CONFIG_HOME")
                .or_else(|| Some(home.as_ref()?.join(".config")))
                .map(|d| d.join("containers/auth.json")),
        ];
        let Some(write) = docker else {
            return Err(
                Failure::new("there is no place for credentials: HOME is not set")
                    .hint("Name a file with --authfile FILE or REGISTRY_AUTH_FILE."),
            );
        };
        let mut read: Vec<_> = podman.into_iter().flatten().collect();
        read.push(write.clone());
        Ok(Self { read, write })
    }

    /// The credentials for a registry, or for a repository in it, from the first file that has any.
    pub(crate) fn get(&self, place: &str) -> Result<Credentials, String> {
        let registry = place.split('/').next().unwrap_or(place);
        for path in &self.read {
            let document = read(path)?;
            let found = match helper(&document, registry) {
                Some(helper) => from_helper(&helper, registry)?,
                None => from_document(&document, place)
                    .map_err(|why| format!("{}: {why}", path.display()))?,
            };
            if found != Credentials::Anonymous {
                return Ok(found);
            }
        }
        Ok(Credentials::Anonymous)
    }

    /// Keeps the credentials, by the helper if the file names one. Where they are now is the
    /// answer, and whether they stand there for everybody to read who may read the file.
    pub(crate) fn store(
        &self,
        registry: &str,
        user: &str,
        credentials: &Credentials,
    ) -> Result<(String, bool), Failure> {
        let mut document = read(&self.write).map_err(Failure::new)?;
        let (name, secret) = match credentials {
            Credentials::Password { user, password } => (user.as_str(), password),
            Credentials::IdentityToken { token } => (TOKEN, token),
            Credentials::Anonymous => return Err(Failure::new("there is nothing to keep")),
        };
        if let Some(helper) = helper(&document, registry) {
            let asked = json!({"ServerURL": key(registry), "Username": name, "Secret": secret});
            ask(&helper, "store", &asked.to_string()).map_err(Failure::new)?;
            return Ok((format!("docker-credential-{helper}"), false));
        }
        let entry = match credentials {
            Credentials::IdentityToken { token } => {
                json!({"auth": STANDARD.encode(format!("{user}:")), "identitytoken": token})
            }
            _ => json!({"auth": STANDARD.encode(format!("{name}:{secret}"))}),
        };
        let top = object(&mut document);
        let auths = top.entry("auths").or_insert_with(|| json!({}));
        let auths = object(auths);
        auths.retain(|known, _| !means(known, registry));
        auths.insert(key(registry), entry);
        write(&self.write, &document)?;
        Ok((self.write.display().to_string(), true))
    }

    /// Forgets the credentials, in every file and helper. Whether there were any is the answer.
    pub(crate) fn erase(&self, registry: &str) -> Result<bool, Failure> {
        let mut found = false;
        for path in &self.read {
            let mut document = read(path).map_err(Failure::new)?;
            if let Some(helper) = helper(&document, registry) {
                let known = from_helper(&helper, registry).map_err(Failure::new)?;
                if known != Credentials::Anonymous {
                    ask(&helper, "erase", &key(registry)).map_err(Failure::new)?;
                    found = true;
                }
            }
            let Some(auths) = document.get_mut("auths").and_then(Value::as_object_mut) else {
                continue;
            };
            let before = auths.len();
            auths.retain(|known, _| !means(known, registry));
            if auths.len() != before {
                write(path, &document)?;
                found = true;
            }
        }
        Ok(found)
    }
}

/// What a registry is called in the file.
fn key(registry: &str) -> String {
    match registry {
        "docker.io" => HUB.to_owned(),
        other => other.to_owned(),
    }
}

/// Whether a key of the file means the whole registry. Docker wrote whole addresses in its time.
fn means(known: &str, registry: &str) -> bool {
    let host = known
        .strip_prefix("https://")
        .or_else(|| known.strip_prefix("http://"))
        .unwrap_or(known);
    let host = host.trim_end_matches('/');
    let host = host
        .strip_suffix("/v1")
        .or_else(|| host.strip_suffix("/v2"))
        .unwrap_or(host);
    match registry {
        "docker.io" => ["docker.io", "index.docker.io", "registry-1.docker.io"].contains(&host),
        _ => host == registry,
    }
}

fn read(path: &Path) -> Result<Value, String> {
    match fs::read(path) {
        Ok(bytes) if bytes.iter().all(u8::is_ascii_whitespace) => Ok(json!({})),
        Ok(bytes) => serde_json::from_slice(&bytes)
            // What serde quotes could be a secret.
            .map_err(|e| format!("{} is damaged at line {}", path.display(), e.line())),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(json!({})),
        Err(e) => Err(format!("read {}: {e}", path.display())),
    }
}

/// Writes the file for its owner alone, all at once.
fn write(path: &Path, document: &Value) -> Result<(), Failure> {
    let refused = |e: io::Error| Failure::io(format!("write {}", path.display()), &e);
    if let Some(directory) = path.parent().filter(|d| !d.as_os_str().is_empty()) {
        fs::create_dir_all(directory).map_err(refused)?;
    }
    // A link to the file, as people make them, stays one.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let beside = path.with_extension(format!("{}.part", std::process::id()));
    let written = create(&beside).and_then(|mut file| {
        let text = format!("{document:#}\n");
        file.write_all(text.as_bytes())?;
        file.sync_data()?;
        fs::rename(&beside, path)
    });
    if written.is_err() {
        // The error that led here is the one to report.
        let _ = fs::remove_file(&beside);
    }
    written.map_err(refused)
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = json!({});
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("it was made one"),
    }
}

/// The entry for a registry, or for a repository in it: the one with the longest key counts, as
/// Podman logs in to `registry.example/team`, too.
fn entry<'a>(document: &'a Value, place: &str) -> Option<&'a Value> {
    let auths = document["auths"].as_object()?;
    let mut within = place;
    while let Some((outer, _)) = within.rsplit_once('/') {
        if let Some(entry) = auths.get(within) {
            return Some(entry);
        }
        within = outer;
    }
    let mut auths = auths.iter();
    auths
        .find(|(known, _)| means(known, within))
        .map(|(_, entry)| entry)
}

fn from_document(document: &Value, place: &str) -> Result<Credentials, String> {
    let Some(entry) = entry(document, place) else {
        return Ok(Credentials::Anonymous);
    };
    if let Some(token) = entry["identitytoken"].as_str().filter(|t| !t.is_empty()) {
        let token = token.to_owned();
        return Ok(Credentials::IdentityToken { token });
    }
    let text = |name: &str| entry[name].as_str().filter(|t| !t.is_empty());
    if let (Some(user), Some(password)) = (text("username"), text("password")) {
        return Ok(Credentials::Password {
            user: user.to_owned(),
            password: password.to_owned(),
        });
    }
    let Some(auth) = text("auth") else {
        return Ok(Credentials::Anonymous);
    };
    let wrong = || format!("the entry for {place} is damaged; log in again");
    let decoded = STANDARD.decode(auth.trim()).map_err(|_| wrong())?;
    let decoded = String::from_utf8(decoded).map_err(|_| wrong())?;
    let (user, password) = decoded.split_once(':').ok_or_else(wrong)?;
    Ok(Credentials::Password {
        user: user.to_owned(),
        // Some versions of Docker padded it.
        password: password.trim_end_matches('\0').to_owned(),
    })
}

/// The program that keeps the credentials for a registry.
fn helper(document: &Value, registry: &str) -> Option<String> {
    let by_host = document["credHelpers"].as_object().into_iter().flatten();
    let own = by_host
        .into_iter()
        .find(|(known, _)| means(known, registry));
    let name = own.map_or(&document["credsStore"], |(_, name)| name);
    name.as_str()
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
}

fn from_helper(helper: &str, registry: &str) -> Result<Credentials, String> {
    let Some(answer) = ask(helper, "get", &key(registry))? else {
        return Ok(Credentials::Anonymous);
    };
    let answer: Value = serde_json::from_str(&answer)
        .map_err(|_| format!("docker-credential-{helper} answers something that is no JSON"))?;
    let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    Ok(match text("Username") {
        user if user == TOKEN => Credentials::IdentityToken {
            token: text("Secret"),
        },
        user => Credentials::Password {
            user,
            password: text("Secret"),
        },
    })
}

/// Asks a helper; `None` when it does not have what it is asked for.
///
/// Source: [docker-credential-helpers](https://github.com/docker/docker-credential-helpers).
fn ask(helper: &str, what: &str, input: &str) -> Result<Option<String>, String> {
    let program = format!("docker-credential-{helper}");
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !helper.chars().all(is_name) {
        return Err(format!("{helper:?} is no name of a credential helper"));
    }
    let mut child = Command::new(&program)
        .arg(what)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| match e.kind() {
            ErrorKind::NotFound => format!(
                "the credentials are kept by {program}, which is not here; install it, or take credsStore and credHelpers out of the file"
            ),
            _ => format!("start {program}: {e}"),
        })?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that does not read says why by its exit code.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child
        .wait_with_output()
        .map_err(|e| format!("wait for {program}: {e}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(Some(said));
    }
    if said.contains("credentials not found") {
        return Ok(None);
    }
    // What it says could be the secret, if it is a strange one, so only that it failed is told.
    Err(format!("{program} {what} failed ({})", output.status))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn keeper(directory: &Path) -> Keeper {
        let directory = directory.to_owned();
        let variable = move |name: &str| (name == "HOME").then(|| directory.clone());
        Keeper::new(None, &variable).unwrap()
    }

    fn password(user: &str, password: &str) -> Credentials {
        Credentials::Password {
            user: user.into(),
            password: password.into(),
        }
    }

    #[test]
    fn what_docker_and_podman_wrote_is_read() {
        let home = tempfile::tempdir().unwrap();
        let docker = r#"{"auths":{
            "https://index.docker.io/v1/":{"auth":"bWU6cHc6MQ=="},
            "https://r.example/v2/":{"auth":"bWU6eA==","identitytoken":"t"},
            "p.example/team":{"auth":"bWU6eA=="},
            "p.example/team/app/deep":{"auth":"aGltOng="},
            "u.example":{"username":"a","password":"b"},
            "empty.example":{},
            "bad.example":{"auth":"?"}}}"#;
        let podman = r#"{"auths":{"q.example:5000":{"auth":"eW91OnB3"}}}"#;
        for (name, text) in [
            (".docker/config.json", docker),
            (".config/containers/auth.json", podman),
        ] {
            let path = home.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let keeper = keeper(home.path());
        let check = |place: &str, expected: Credentials| {
            assert_eq!(keeper.get(place), Ok(expected), "{place}");
        };
        check("docker.io", password("me", "pw:1"));
        check(
            "r.example",
            Credentials::IdentityToken { token: "t".into() },
        );
        check("p.example", Credentials::Anonymous);
        check("p.example/other/app", Credentials::Anonymous);
        check("p.example/team", password("me", "x"));
        check("p.example/team/app", password("me", "x"));
        check("p.example/team/app/deep", password("him", "x"));
        check("p.example/teams", Credentials::Anonymous);
        check("q.example:5000/team/app", password("you", "pw"));
        check("docker.io/library/python", password("me", "pw:1"));
        check("u.example", password("a", "b"));
        check("empty.example", Credentials::Anonymous);
        check("q.example:5000", password("you", "pw"));
        check("other.example", Credentials::Anonymous);
        assert!(
            keeper
                .get("bad.example")
                .unwrap_err()
                .contains("log in again")
        );
    }

    #[test]
    fn what_is_kept_is_its_owners_alone_and_leaves_the_rest_as_it_was() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(".docker/config.json");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(
            &path,
            r#"{"psFormat":"x","auths":{"https://r.example":{"auth":"b2xkOm8="}}}"#,
        )
        .unwrap();
        let keeper = keeper(home.path());
        let (place, in_clear) = keeper
            .store("r.example", "me", &password("me", "pw"))
            .unwrap();
        assert!(in_clear && place.ends_with("config.json"));
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let document: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(document["psFormat"], "x");
        assert_eq!(document["auths"].as_object().unwrap().len(), 1);
        assert_eq!(keeper.get("r.example"), Ok(password("me", "pw")));
        assert!(keeper.erase("r.example").unwrap());
        assert!(!keeper.erase("r.example").unwrap());
        assert_eq!(keeper.get("r.example"), Ok(Credentials::Anonymous));
    }

    #[test]
    fn a_damaged_file_is_named_and_not_quoted() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("auth.json");
        fs::write(&path, "{\"auths\": hunter2").unwrap();
        let keeper = Keeper::new(Some(&path), &|_| None).unwrap();
        let said = keeper.get("r.example").unwrap_err();
        assert!(said.contains("auth.json is damaged at line 1") && !said.contains("hunter2"));
    }

    #[test]
    fn a_helper_that_is_not_there_is_named() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("auth.json");
        fs::write(&path, r#"{"credHelpers":{"r.example":"nonexistent"}}"#).unwrap();
        let keeper = Keeper::new(Some(&path), &|_| None).unwrap();
        let said = keeper.get("r.example").unwrap_err();
        assert!(said.contains("docker-credential-nonexistent"), "{said}");
        assert_eq!(keeper.get("other.example"), Ok(Credentials::Anonymous));
        fs::write(&path, r#"{"credsStore":"../../bin/sh"}"#).unwrap();
        assert!(keeper.get("r.example").unwrap_err().contains("no name"));
    }
}
