//! `{{#map}}`: the modules of core in their rows, drawn from the table that the architecture test
//! holds them to.

use std::fmt::Write as _;
use std::path::Path;

use crate::diagram::{self, Box, Diagram, Kind};
use crate::{Result, html, read};

/// The test that has the table.
const TABLE: &str = "core/tests/architecture.rs";

/// A module, and what it may name.
#[derive(Debug, Default, PartialEq)]
struct Module {
    name: String,
    uses: Vec<String>,
}

/// A row of modules; arrows only point to lower rows, or to the left.
#[derive(Debug, Default, PartialEq)]
struct Row {
    name: String,
    modules: Vec<Module>,
}

/// What stands in the page for the map: a picture of the rows, and a table of the arrows.
pub(crate) fn expand(project: &Path) -> Result<String> {
    let rows = rows(&read(project, TABLE)?).map_err(|why| format!("{TABLE}: {why}"))?;
    let picture = diagram::draw(&picture(&rows))?;
    let mut table = String::from("\n\n| module | what it is | it may use |\n| --- | --- | --- |\n");
    for module in rows.iter().rev().flat_map(|row| row.modules.iter().rev()) {
        let name = &module.name;
        let uses: Vec<String> = module.uses.iter().map(|name| format!("`{name}`")).collect();
        let uses = if uses.is_empty() {
            "nothing".to_owned()
        } else {
            uses.join(", ")
        };
        let _ = writeln!(table, "| `{name}` | {} | {uses} |", about(project, name)?);
    }
    Ok(picture + &table)
}

/// The rows of the table `MAY_USE`, from the lowest up.
fn rows(text: &str) -> Result<Vec<Row>> {
    let (_, table) = text
        .split_once("const MAY_USE")
        .ok_or("there is no table MAY_USE")?;
    let (table, _) = table.split_once("\n];").ok_or("the table never ends")?;
    let mut rows: Vec<Row> = Vec::new();
    for line in table.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("// ") {
            let name = name.trim_start_matches(|sign: char| sign.is_ascii_digit());
            let name = name.split(':').next().unwrap_or(name).trim().to_owned();
            rows.push(Row {
                name,
                modules: Vec::new(),
            });
            continue;
        }
        let Some(row) = rows.last_mut() else { continue };
        // What begins with a parenthesis begins a module, on this line or on the next.
        if line.starts_with('(') {
            row.modules.push(Module::default());
        }
        for name in line.split('"').skip(1).step_by(2) {
            let module = row
                .modules
                .last_mut()
                .ok_or("a name stands outside of a module")?;
            if module.name.is_empty() {
                name.clone_into(&mut module.name);
            } else {
                module.uses.push(name.to_owned());
            }
        }
    }
    Ok(rows)
}

fn picture(rows: &[Row]) -> Diagram {
    const LABEL: f32 = 2.2;
    const WIDE: f32 = 1.7;
    const HIGH: f32 = 1.5;
    let most = rows.iter().map(|row| row.modules.len()).max().unwrap_or(0);
    let said: Vec<String> = rows
        .iter()
        .map(|row| {
            let names: Vec<&str> = row.modules.iter().map(|m| m.name.as_str()).collect();
            format!("{}: {}", row.name, names.join(", "))
        })
        .collect();
    let mut boxes = Vec::new();
    let place = |number: usize| f32::from(u16::try_from(number).unwrap_or(u16::MAX));
    for (number, row) in rows.iter().rev().enumerate() {
        let y = place(number) * HIGH + 0.2;
        boxes.push(Box {
            name: row.name.clone(),
            at: [0.1, y],
            size: [LABEL - 0.2, HIGH - 0.4],
            text: row.name.clone(),
            kind: Kind::Quiet,
        });
        for (column, module) in row.modules.iter().enumerate() {
            boxes.push(Box {
                name: module.name.clone(),
                at: [LABEL + place(column) * WIDE, y],
                size: [WIDE - 0.15, HIGH - 0.4],
                text: module.name.clone(),
                kind: Kind::Plain,
            });
        }
    }
    Diagram {
        about: format!("The rows of core, the lowest first. {}.", said.join(". ")),
        size: [LABEL + place(most) * WIDE, place(rows.len()) * HIGH + 0.2],
        boxes,
        arrow: Vec::new(),
    }
}

/// What a module says of itself in its first line.
fn about(project: &Path, name: &str) -> Result<String> {
    let file = format!("core/src/{name}.rs");
    let text =
        read(project, &file).or_else(|_| read(project, &format!("core/src/{name}/mod.rs")))?;
    let first = text
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("//! "));
    let first = first.ok_or_else(|| format!("the module {name} does not say what it is"))?;
    // A bar would end the cell.
    Ok(html::escape(first).replace('|', "\\|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_as_rustfmt_writes_it() {
        let text = "\
const MAY_USE: &[(&str, &[&str])] = &[
    // 0 the words
    (\"digest\", &[]),
    // 1 the cargo: values
    (\"tree\", &[\"digest\"]),
    (
        \"layer\",
        &[
            \"digest\",
            \"tree\",
        ],
    ),
];
";
        let module = |name: &str, uses: &[&str]| Module {
            name: name.to_owned(),
            uses: uses.iter().map(|&name| name.to_owned()).collect(),
        };
        let expected = [
            Row {
                name: "the words".to_owned(),
                modules: vec![module("digest", &[])],
            },
            Row {
                name: "the cargo".to_owned(),
                modules: vec![
                    module("tree", &["digest"]),
                    module("layer", &["digest", "tree"]),
                ],
            },
        ];
        assert_eq!(rows(text).unwrap(), expected);
        assert!(rows("nothing").is_err());
    }

    #[test]
    fn every_module_is_on_the_map() {
        let map = expand(&crate::project()).unwrap();
        for name in ["digest", "dockerfile", "linux"] {
            assert!(map.contains(&format!("| `{name}` |")), "{map}");
        }
    }
}
