//! `--simulate`: a build whose RUN is done by a small shell on a tree, and needs no container.

use std::collections::BTreeMap;

use coracle::build::sim::{SimExecutor, Unsupported, fixtures};
use coracle::image::Image;
use coracle::reference::Reference;
use coracle::spec::Platform;
use coracle::store::Store;

use super::{Options, find_base};
use crate::failure::Failure;
use crate::output;

/// Who runs the steps, if they are to be simulated.
pub(super) fn read(options: &Options) -> Result<Option<SimExecutor>, Failure> {
    if !options.simulate {
        return Ok(None);
    }
    let pretend = options.pretend.iter().map(|text| pretence(text));
    let pretend = pretend.collect::<Result<BTreeMap<_, _>, Failure>>()?;
    let mut executor = SimExecutor::new(pretend);
    executor.bounds = options.bounds.bounds();
    Ok(Some(executor))
}

/// `NAME`, or `NAME=PATH,PATH`.
fn pretence(text: &str) -> Result<(String, Vec<String>), Failure> {
    let wrong = |why: String| {
        Failure::new(format!("--pretend {text}: {why}")).hint(
            "It is written NAME, as doing nothing, or NAME=PATH,PATH, as writing these files.",
        )
    };
    let (name, paths) = text.split_once('=').unwrap_or((text, ""));
    if name.is_empty() {
        return Err(wrong("there is no command".to_owned()));
    }
    let paths: Vec<String> = paths
        .split(',')
        .filter(|path| !path.is_empty())
        .map(str::to_owned)
        .collect();
    if let Some(path) = paths.iter().find(|path| !path.starts_with('/')) {
        return Err(wrong(format!("{path} does not begin at the root")));
    }
    Ok((name.to_owned(), paths))
}

/// The image that FROM or COPY --from names: one that is here, or else a small one that stands for
/// it. Nothing is fetched.
pub(super) fn base(
    store: &dyn Store,
    reference: &Reference,
    platform: &Platform,
    options: &Options,
) -> Result<Image, String> {
    let missing = match find_base(store, reference, platform) {
        Err(missing) => missing,
        found => return found,
    };
    let Some(fixture) = fixtures::find(reference) else {
        let known: Vec<String> = fixtures::images()
            .into_iter()
            .map(|f| f.reference)
            .collect();
        return Err(format!(
            "{missing}\nA simulated build fetches nothing; images that it brings itself: {}.",
            known.join(", ")
        ));
    };
    if !options.quiet {
        output::note(&format!(
            "{} is not here, so a small image that stands for it is used.\n",
            reference.familiar()
        ));
    }
    fixture.commit(store, platform).map_err(|e| e.to_string())
}

/// What to do about what the simulation refuses.
pub(super) fn hint(unsupported: &Unsupported) -> String {
    match &unsupported.command {
        Some(name) => format!(
            "--pretend {name} takes it as done, --pretend {name}=/PATH as having written that file; without --simulate it runs for real."
        ),
        None => "Without --simulate it runs for real.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pretences_are_a_name_and_files() {
        let check = |text: &str, expected: Result<(&str, &[&str]), &str>| match (
            pretence(text),
            expected,
        ) {
            (Ok((name, paths)), Ok(expected)) => {
                let paths: Vec<_> = paths.iter().map(String::as_str).collect();
                assert_eq!((name.as_str(), &paths[..]), expected);
            }
            (Err(error), Err(part)) => {
                let said = error.message.unwrap();
                assert!(said.contains(part) && said.contains(text), "{said}");
            }
            (got, _) => panic!("{text}: {got:?}"),
        };
        check("make", Ok(("make", &[])));
        check("make=/a,/b/c", Ok(("make", &["/a", "/b/c"])));
        check("make=a", Err("does not begin at the root"));
        check("=/a", Err("there is no command"));
    }
}
