//! `{{#diagram NAME}}`: a picture from a text, in the one style that all pictures have.
//!
//! ```text
//! about = "What the picture says, for those who do not see it."
//! size = [12, 6]                 columns and rows of the grid
//! [[box]]
//! name = "image"                 what arrows call it
//! at = [0, 1]                    its left upper corner
//! size = [4, 2]
//! text = "image\nmyapp:2"        lines; the first is the heavier
//! kind = "plain"                 or accent, quiet
//! [[arrow]]
//! from = "image"
//! to = "layer"
//! text = "lists"
//! ```

use std::fmt::Write as _;
use std::path::Path;

use serde::Deserialize;

use crate::{Result, html, read};

/// How large a cell of the grid is.
const CELL: (f32, f32) = (60.0, 34.0);

/// How far the lines of a text are apart.
const LINE: f32 = 18.0;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Diagram {
    pub(crate) about: String,
    pub(crate) size: [f32; 2],
    #[serde(rename = "box")]
    pub(crate) boxes: Vec<Box>,
    #[serde(default)]
    pub(crate) arrow: Vec<Arrow>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Box {
    pub(crate) name: String,
    pub(crate) at: [f32; 2],
    pub(crate) size: [f32; 2],
    pub(crate) text: String,
    #[serde(default)]
    pub(crate) kind: Kind,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    #[default]
    Plain,
    Accent,
    Quiet,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arrow {
    from: String,
    to: String,
    #[serde(default)]
    text: String,
}

/// What stands in the page for a picture.
pub(crate) fn expand(project: &Path, name: &str) -> Result<String> {
    let file = format!("book/diagrams/{name}.toml");
    let diagram: Diagram =
        toml::from_str(&read(project, &file)?).map_err(|error| format!("{file}: {error}"))?;
    draw(&diagram).map_err(|why| format!("{file}: {why}"))
}

/// The picture as SVG.
pub(crate) fn draw(diagram: &Diagram) -> Result<String> {
    let [columns, rows] = diagram.size;
    let (width, height) = (columns * CELL.0, rows * CELL.1);
    let about = html::escape(&diagram.about);
    let mut out = format!(
        "<figure class=\"diagram\"><svg viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-label=\"{about}\">\n<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" \
         markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\"/></marker>\
         </defs>\n"
    );
    for each in &diagram.boxes {
        let ([x, y], [w, h]) = (each.at, each.size);
        if x < 0.0 || y < 0.0 || x + w > columns || y + h > rows {
            return Err(format!("the box {:?} is outside of the picture", each.name));
        }
        out += &drawn(each);
    }
    for arrow in &diagram.arrow {
        let find = |name: &str| {
            let found = diagram.boxes.iter().find(|each| each.name == name);
            found.ok_or_else(|| format!("an arrow names the box {name:?}, which is not there"))
        };
        out += &arrow_between(find(&arrow.from)?, find(&arrow.to)?, &arrow.text);
    }
    Ok(out + "</svg></figure>")
}

fn drawn(each: &Box) -> String {
    let (x, y) = (each.at[0] * CELL.0, each.at[1] * CELL.1);
    let (w, h) = (each.size[0] * CELL.0, each.size[1] * CELL.1);
    let class = match each.kind {
        Kind::Plain => "plain",
        Kind::Accent => "accent",
        Kind::Quiet => "quiet",
    };
    let mut out = format!(
        "<g class=\"{class}\"><rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" rx=\"4\"/>"
    );
    let lines: Vec<_> = each.text.lines().collect();
    let middle = x + w / 2.0;
    let mut baseline = y + h / 2.0 + 5.0;
    for _ in lines.iter().skip(1) {
        baseline -= LINE / 2.0;
    }
    for (number, line) in lines.into_iter().enumerate() {
        let class = if number == 0 { " class=\"first\"" } else { "" };
        let line = html::escape(line);
        let _ = write!(
            out,
            "<text x=\"{middle}\" y=\"{baseline}\"{class}>{line}</text>"
        );
        baseline += LINE;
    }
    out + "</g>\n"
}

/// A line from the side of a box that looks at the other.
fn arrow_between(from: &Box, to: &Box, text: &str) -> String {
    let middle = |each: &Box| {
        let ([x, y], [w, h]) = (each.at, each.size);
        ((x + w / 2.0) * CELL.0, (y + h / 2.0) * CELL.1)
    };
    let (a, b) = (middle(from), middle(to));
    let start = edge(from, a, b);
    let end = edge(to, b, a);
    let mut out = format!(
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" marker-end=\"url(#tip)\"/>\n",
        start.0, start.1, end.0, end.1
    );
    if !text.is_empty() {
        let x = f32::midpoint(start.0, end.0);
        let y = f32::midpoint(start.1, end.1) - 6.0;
        let _ = writeln!(
            out,
            "<text class=\"label\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>",
            html::escape(text)
        );
    }
    out
}

/// Where the line from the middle of a box to `other` leaves the box.
fn edge(each: &Box, middle: (f32, f32), other: (f32, f32)) -> (f32, f32) {
    let half = (each.size[0] * CELL.0 / 2.0, each.size[1] * CELL.1 / 2.0);
    let (dx, dy) = (other.0 - middle.0, other.1 - middle.1);
    let part = (half.0 / dx.abs()).min(half.1 / dy.abs());
    (middle.0 + dx * part, middle.1 + dy * part)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
about = \"Two boxes.\"
size = [4, 4]
[[box]]
name = \"a\"
at = [0, 0]
size = [2, 1]
text = \"a<b\\nmore\"
[[box]]
name = \"b\"
at = [0, 3]
size = [2, 1]
text = \"b\"
kind = \"accent\"
[[arrow]]
from = \"a\"
to = \"b\"
text = \"to\"
";

    #[test]
    fn arrows_go_from_edge_to_edge() {
        let svg = draw(&toml::from_str(TEXT).unwrap()).unwrap();
        assert!(
            svg.contains("x1=\"60.0\" y1=\"34.0\" x2=\"60.0\" y2=\"102.0\""),
            "{svg}"
        );
        assert!(svg.contains("a&lt;b") && svg.contains("aria-label=\"Two boxes.\""));
    }

    #[test]
    fn what_cannot_be_drawn_is_told() {
        let error = |from: &str, to: &str| {
            draw(&toml::from_str(&TEXT.replace(from, to)).unwrap()).unwrap_err()
        };
        assert!(error("size = [4, 4]", "size = [1, 4]").contains("outside of the picture"));
        assert!(error("to = \"b\"", "to = \"c\"").contains("\"c\", which is not there"));
    }
}
