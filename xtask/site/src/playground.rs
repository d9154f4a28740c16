//! The playground's page: the engine made ready for JavaScript, and the page put together.

use std::path::{Path, PathBuf};
use std::process::Command;

use wasm_bindgen_cli_support::Bindgen;

use crate::{Result, book};

/// Where book and page are written, seen from the project.
pub(crate) const SITE: &str = "target/site";

/// The page's sources, seen from the project.
const WEB: &str = "playground/web";

/// Puts the page together around the compiled engine.
pub(crate) fn build(project: &Path, engine: &Path) -> Result<()> {
    let bound = project.join("target/playground/engine");
    let mut bindgen = Bindgen::new();
    let whole = |error: &dyn std::fmt::Display| format!("bind {}: {error:#}", engine.display());
    bindgen
        .input_path(engine)
        .web(true)
        .map_err(|e| whole(&e))?
        .typescript(true)
        .out_name("engine")
        .generate(&bound)
        .map_err(|e| whole(&e))?;
    let mut node = Command::new("node");
    node.current_dir(project.join(WEB))
        .arg("build.mjs")
        .arg(&bound)
        .arg(project.join(SITE).join("playground"));
    match node.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err("the page cannot be built, see above".to_owned()),
        Err(error) => Err(format!("start node: {error}")),
    }
}

/// Writes the book beside the page and a first page that leads to both, and returns that.
pub(crate) fn site(project: &Path) -> Result<PathBuf> {
    book::build(project)?;
    let index = project.join(SITE).join("index.html");
    let source = project.join(WEB).join("site.html");
    std::fs::copy(&source, &index)
        .map_err(|error| format!("write {}: {error}", index.display()))?;
    Ok(index)
}
