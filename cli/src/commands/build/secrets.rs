//! `--secret`: what a build step may know and the image must not.

use std::collections::BTreeMap;

use crate::failure::Failure;

/// Reads the secrets that `--secret` names, by ID. Their content is never printed.
pub(super) fn read(options: &[String]) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
    let mut secrets = BTreeMap::new();
    for option in options {
        let (id, content) = one(option)?;
        secrets.insert(id, content);
    }
    Ok(secrets)
}

/// One option: `id=ID[,src=FILE|,env=VARIABLE]`. With the ID alone, the variable of that name
/// counts, or else the file of that name, as in Docker.
fn one(option: &str) -> Result<(String, Vec<u8>), Failure> {
    let malformed = |why: String| {
        Failure::new(format!("--secret {option}: {why}")).hint(
            "It is written id=ID,src=FILE or id=ID,env=VARIABLE; the Dockerfile asks for it by\n\
             RUN --mount=type=secret,id=ID",
        )
    };
    let (mut id, mut file, mut variable) = (None, None, None);
    for part in option.split(',') {
        match part.split_once('=') {
            Some(("id", value)) => id = Some(value),
            Some(("src" | "source", value)) => file = Some(value),
            Some(("env", value)) => variable = Some(value),
            Some(("type", "file" | "env")) => {}
            _ => return Err(malformed(format!("{part:?} is not understood"))),
        }
    }
    let id = id.filter(|id| !id.is_empty());
    let id = id.ok_or_else(|| malformed("there is no id".to_owned()))?;
    let from_variable = |name: &str| std::env::var(name).ok().map(String::into_bytes);
    let content = match (file, variable) {
        (_, Some(name)) => from_variable(name)
            .ok_or_else(|| malformed(format!("the variable {name} is not set")))?,
        (None, None) if from_variable(id).is_some() => from_variable(id).unwrap_or_default(),
        (file, None) => {
            let path = file.unwrap_or(id);
            std::fs::read(path).map_err(|e| malformed(format!("read {path}: {e}")))?
        }
    };
    Ok((id.to_owned(), content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_come_from_files_and_variables() {
        let place = tempfile_with(b"from a file");
        let check = |option: &str, expected: Result<&[u8], &str>| match (one(option), expected) {
            (Ok((_, content)), Ok(expected)) => assert_eq!(content, expected),
            (Err(error), Err(part)) => {
                let text = error.message.unwrap_or_default();
                assert!(text.contains(part), "{text}");
            }
            (got, expected) => panic!("{option}: {got:?} instead of {expected:?}"),
        };
        check(&format!("id=a,src={place}"), Ok(b"from a file"));
        check(
            &format!("type=file,id=a,source={place}"),
            Ok(b"from a file"),
        );
        let path = std::env::var("PATH").unwrap();
        check("id=a,env=PATH", Ok(path.as_bytes()));
        check("id=PATH", Ok(path.as_bytes()));
        check("id=a,env=NO_SUCH_VARIABLE", Err("is not set"));
        check("id=a,src=/no/such/file", Err("read /no/such/file"));
        check("src=x", Err("there is no id"));
        check("id=a,sorce=x", Err("\"sorce=x\" is not understood"));
        std::fs::remove_file(place).unwrap();
    }

    fn tempfile_with(content: &[u8]) -> String {
        let name = format!("coracle-secret-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }
}
