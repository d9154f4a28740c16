//! npm.

use serde_json::{Map, Value, json};

use super::stand_in;
use super::table::{NPM, Package, closure, find};
use crate::build::sim::files::Errno;
use crate::build::sim::run::{Runner, Stop};
use crate::digest::Digest;

/// `npm`
pub(in super::super) fn npm(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let mut words = Vec::new();
    let mut dev = runner
        .shell
        .env
        .get("NODE_ENV")
        .is_none_or(|env| env != "production");
    let (mut global, mut save_dev) = (false, false);
    for arg in &args[1..] {
        match arg.as_str() {
            "--production" | "--omit=dev" | "--only=production" => dev = false,
            "-g" | "--global" => global = true,
            "-D" | "--save-dev" => save_dev = true,
            "--save" | "-S" | "--silent" | "-s" | "--no-audit" | "--no-fund" | "--force"
            | "--ignore-scripts" | "--prefer-offline" | "--legacy-peer-deps" | "-f" => {}
            arg if arg.starts_with('-') && arg != "--version" && arg != "-v" => {
                return Err(Stop::command("npm", format!("`npm` with the option {arg}")));
            }
            _ => words.push(arg.clone()),
        }
    }
    let Some((action, names)) = words.split_first() else {
        return Err(Stop::command("npm", "`npm` without an action"));
    };
    let done = match action.as_str() {
        "--version" | "-v" => {
            runner.out("10.8.2\n");
            Ok(0)
        }
        "ci" if runner.shell.stat("package-lock.json", true).is_err() => {
            runner.err("npm error code EUSAGE");
            runner.err("npm error The `npm ci` command can only install with an existing package-lock.json");
            Ok(1)
        }
        "ci" => install(runner, &[], dev, false, true),
        "install" | "i" | "add" if global => globally(runner, names),
        "install" | "i" | "add" => install(runner, names, dev, save_dev, false),
        "cache" if names == ["clean"] => {
            let place = cache_place(runner);
            runner.take_away(&place);
            Ok(0)
        }
        other => return Err(Stop::command("npm", format!("`npm {other}`"))),
    };
    Ok(done.unwrap_or_else(|errno| {
        runner.err("npm error code EACCES");
        runner.err(format!("npm error {errno}"));
        243
    }))
}

fn cache_place(runner: &Runner<'_, '_>) -> String {
    let home = runner.shell.env.get("HOME").map_or("/root", String::as_str);
    format!("{}/.npm/_cacache", home.trim_end_matches('/'))
}

fn unknown(runner: &mut Runner<'_, '_>, name: &str) -> i32 {
    runner.err("npm error code E404");
    runner.err(format!("npm error 404 Not Found - GET {name} - Not found"));
    runner.err(format!(
        "npm error 404  '{name}@*' is not in this registry."
    ));
    1
}

/// The name in `name@version`.
fn bare(word: &str) -> &str {
    match word.rfind('@') {
        Some(at) if at > 0 => &word[..at],
        _ => word,
    }
}

fn place_package(runner: &mut Runner<'_, '_>, root: &str, package: &Package) -> Result<(), Errno> {
    let (name, version) = (package.name, package.version);
    let tarball = stand_in(&format!("archive of {name} {version}"), package.download);
    let digest = Digest::of(&tarball).to_string().replace("sha256:", "");
    let cached = format!(
        "{}/content-v2/sha512/{}/{}/{digest}",
        cache_place(runner),
        &digest[..2],
        &digest[2..4]
    );
    runner.put_file(&cached, tarball, 0o644)?;
    let manifest = format!("{{\n  \"name\": \"{name}\",\n  \"version\": \"{version}\"\n}}\n");
    runner.put_file(
        &format!("{root}/{name}/package.json"),
        manifest.into_bytes(),
        0o644,
    )?;
    let source = format!("// a stand-in for {name}");
    runner.put_file(
        &format!("{root}/{name}/index.js"),
        stand_in(&source, package.size),
        0o644,
    )
}

fn globally(runner: &mut Runner<'_, '_>, names: &[String]) -> Result<i32, Errno> {
    let mut wanted = Vec::new();
    for word in names {
        match find(NPM, bare(word)) {
            Some(package) => wanted.push(package),
            None => return Ok(unknown(runner, bare(word))),
        }
    }
    let all = closure(NPM, &wanted, false);
    for package in &all {
        place_package(runner, "/usr/local/lib/node_modules", package)?;
    }
    runner.out(format!("\nadded {} packages in 1s\n", all.len()));
    Ok(0)
}

fn install(
    runner: &mut Runner<'_, '_>,
    names: &[String],
    dev: bool,
    save_dev: bool,
    frozen: bool,
) -> Result<i32, Errno> {
    let text = runner.shell.read("package.json");
    let mut manifest: Value = match &text {
        Ok(bytes) => {
            let Ok(value @ Value::Object(_)) = serde_json::from_slice(bytes) else {
                runner.err("npm error code EJSONPARSE");
                runner.err("npm error JSON.parse Failed to parse package.json");
                return Ok(1);
            };
            value
        }
        Err(_) if names.is_empty() => {
            runner.err("npm error code ENOENT");
            runner.err("npm error enoent Could not read package.json: Error: ENOENT: no such file or directory");
            return Ok(254);
        }
        Err(_) => json!({}),
    };
    let mut wanted = Vec::new();
    let mut words: Vec<String> = names.to_vec();
    for key in ["dependencies", "devDependencies"] {
        if key == "dependencies" || dev {
            let listed = manifest.get(key).and_then(Value::as_object);
            words.extend(listed.into_iter().flat_map(|map| map.keys().cloned()));
        }
    }
    for word in &words {
        match find(NPM, bare(word)) {
            Some(package) => wanted.push(package),
            None => return Ok(unknown(runner, bare(word))),
        }
    }
    let all = closure(NPM, &wanted, false);
    if !names.is_empty() {
        let key = if save_dev {
            "devDependencies"
        } else {
            "dependencies"
        };
        let entries = manifest
            .as_object_mut()
            .map(|map| map.entry(key).or_insert_with(|| json!({})));
        if let Some(Value::Object(entries)) = entries {
            for package in wanted.iter().take(names.len()) {
                entries.insert(
                    package.name.to_owned(),
                    json!(format!("^{}", package.version)),
                );
            }
        }
        let text = serde_json::to_string_pretty(&manifest).unwrap_or_default();
        runner.put_file("package.json", (text + "\n").into_bytes(), 0o644)?;
    }
    if frozen {
        runner.take_away("node_modules");
    }
    let mut locked = Map::new();
    for package in &all {
        place_package(runner, "node_modules", package)?;
        let entry = json!({ "version": package.version });
        locked.insert(format!("node_modules/{}", package.name), entry);
    }
    let lock = json!({
        "name": manifest.get("name").cloned().unwrap_or(json!("app")),
        "lockfileVersion": 3,
        "packages": locked,
    });
    let lock = serde_json::to_string_pretty(&lock).unwrap_or_default() + "\n";
    runner.put_file(
        "node_modules/.package-lock.json",
        lock.clone().into_bytes(),
        0o644,
    )?;
    if !frozen {
        runner.put_file("package-lock.json", lock.into_bytes(), 0o644)?;
    }
    let count = all.len();
    runner.out(format!(
        "\nadded {count} packages, and audited {} packages in 1s\n\nfound 0 vulnerabilities\n",
        count + 1
    ));
    Ok(0)
}
