//! `{{#layers NAME}}`: a pile of layers and what somebody sees who looks at it from above, computed
//! by the same core that unpacks images.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use coracle::layer::{Layer, Whiteout, apply};
use coracle::path::RootedPath;
use coracle::tree::{Kind, Node, Tree};
use serde::Deserialize;

use crate::{Result, html, read};

/// Layers, the lowest first.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scene {
    /// What the table shows, in a sentence.
    about: String,
    layer: Vec<Named>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
    /// Files by path, with their content or what it is; a path that ends in `/` is a directory.
    #[serde(default)]
    adds: BTreeMap<String, String>,
    /// Paths that are hidden; with `/*` at the end, everything below a directory.
    #[serde(default)]
    hides: Vec<String>,
}

/// What stands in the page for a scene: a table that reads without any script.
pub(crate) fn expand(project: &Path, name: &str) -> Result<String> {
    let file = format!("book/scenes/{name}.toml");
    let scene: Scene =
        toml::from_str(&read(project, &file)?).map_err(|error| format!("{file}: {error}"))?;
    table(&scene).map_err(|why| format!("{file}: {why}"))
}

fn table(scene: &Scene) -> Result<String> {
    let mut tree = Tree::new();
    let mut marks: BTreeMap<RootedPath, Vec<&str>> = BTreeMap::new();
    let count = scene.layer.len();
    let mut mark = |path: &RootedPath, number: usize, what| {
        marks.entry(path.clone()).or_insert_with(|| vec![""; count])[number] = what;
    };
    for (number, named) in scene.layer.iter().enumerate() {
        let layer = layer(named)?;
        for hide in &layer.hides {
            let (Whiteout::Path(path) | Whiteout::Below(path)) = hide;
            if let Whiteout::Path(_) = hide {
                mark(path, number, "hidden");
            }
            for (below, _) in tree.below(path) {
                mark(below, number, "hidden");
            }
        }
        for (path, _) in &layer.adds {
            let what = if tree.get(path).is_some() {
                "changed"
            } else {
                "new"
            };
            mark(path, number, what);
        }
        apply(&mut tree, &layer).map_err(|error| error.to_string())?;
    }
    let heads = scene.layer.iter().map(|layer| cell("th", &layer.name));
    let head = heads.collect::<String>();
    let paths: BTreeSet<_> = marks.keys().collect();
    let rows = paths.into_iter().map(|path| {
        let cells = marks[path].iter().map(|what| {
            // mdBook's own styles take everything away that is of the class `hidden`.
            let class = match *what {
                "" => "none",
                "hidden" => "gone",
                other => other,
            };
            format!("<td class=\"{class}\">{what}</td>")
        });
        let seen = tree.get(path).map_or(String::new(), |node| shown(node));
        let name = html::escape(&path.to_text());
        format!(
            "<tr><th><code>{name}</code></th>{}<td>{seen}</td></tr>\n",
            cells.collect::<String>()
        )
    });
    Ok(format!(
        "<table class=\"layers\">\n<caption>{}</caption>\n<thead><tr><th>path</th>{head}<th>what is \
         seen</th></tr></thead>\n<tbody>\n{}</tbody>\n</table>",
        html::escape(&scene.about),
        rows.collect::<String>()
    ))
}

fn layer(named: &Named) -> Result<Layer> {
    let parse = |path: &str| RootedPath::parse(path).map_err(|error| error.to_string());
    let mut layer = Layer::default();
    for hide in &named.hides {
        layer.hides.push(match hide.strip_suffix("/*") {
            Some(directory) => Whiteout::Below(parse(directory)?),
            None => Whiteout::Path(parse(hide)?),
        });
    }
    for (path, content) in &named.adds {
        let node = match path.strip_suffix('/') {
            Some(_) => Node::directory(0o755),
            None => Node::file(0o644, content.as_bytes()),
        };
        layer.adds.push((parse(path)?, Arc::new(node)));
    }
    layer.adds.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(layer)
}

fn shown(node: &Node) -> String {
    match &node.kind {
        Kind::File(content) => {
            let bytes = content.read().unwrap_or_default();
            html::escape(&String::from_utf8_lossy(&bytes))
        }
        Kind::Directory => "a directory".to_owned(),
        _ => "something else".to_owned(),
    }
}

fn cell(tag: &str, text: &str) -> String {
    format!("<{tag}>{}</{tag}>", html::escape(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scene_is_what_core_makes_of_it() {
        let scene = "\
about = \"Two layers.\"
[[layer]]
name = \"lower\"
adds = { \"d/\" = \"\", \"d/a\" = \"one\", \"d/b\" = \"gone\", \"o/\" = \"\", \"o/x\" = \"old\" }
[[layer]]
name = \"upper\"
hides = [\"d/b\", \"o/*\"]
adds = { \"d/a\" = \"two\", \"e\" = \"<e>\" }
";
        let table = table(&toml::from_str(scene).unwrap()).unwrap();
        for row in [
            "<th><code>d</code></th><td class=\"new\">new</td><td class=\"none\"></td><td>a directory</td>",
            "<th><code>d/a</code></th><td class=\"new\">new</td><td class=\"changed\">changed</td><td>two</td>",
            "<th><code>d/b</code></th><td class=\"new\">new</td><td class=\"gone\">hidden</td><td></td>",
            "<th><code>o</code></th><td class=\"new\">new</td><td class=\"none\"></td><td>a directory</td>",
            "<th><code>o/x</code></th><td class=\"new\">new</td><td class=\"gone\">hidden</td><td></td>",
            "<th><code>e</code></th><td class=\"none\"></td><td class=\"new\">new</td><td>&lt;e&gt;</td>",
        ] {
            assert!(table.contains(row), "{row} is not in\n{table}");
        }
    }
}
