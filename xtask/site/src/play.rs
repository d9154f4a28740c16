//! `{{#play ELEMENT NAME [of=STACK] [layer=N] [edit=FILE] [line=COMMAND]}}`: an element of the
//! playground, with the table inside that it shows before it lives, and where it never does.
//!
//! `NAME` is a log, `book/plays/NAME.sh`. The table is what the playground's engine, compiled for
//! this machine, sees after it; the element draws the same when the engine runs in a browser.

use std::path::Path;

use coracle_playground::look::{Cell, KINDS, Look, Seen, look};
use coracle_playground::session::Session;

use crate::{Result, html, read};

/// What stands in the page.
pub(crate) fn expand(project: &Path, arguments: &str) -> Result<String> {
    let mut words = arguments.split_whitespace();
    let (Some(kind), Some(name)) = (words.next(), words.next()) else {
        return Err("name an element and a log: {{#play layers two-versions}}".to_owned());
    };
    // The whole page as an element shows, until it lives, the layers that it would.
    let (shown, embedded) = match kind {
        "playground" => ("layers", " embedded"),
        kind => (kind, ""),
    };
    if !KINDS.contains(&shown) {
        return Err(format!(
            "there is no element {kind:?}; there are {}",
            KINDS.join(", ")
        ));
    }
    let rest = arguments
        .split_once(name)
        .map_or("", |(_, rest)| rest)
        .trim();
    let options = Options::parse(rest)?;
    let file = format!("book/plays/{name}.sh");
    let log = read(project, &file)?;
    if log.lines().any(|line| line.trim().is_empty()) {
        return Err(format!(
            "{file} has an empty line, where a page's markup would end"
        ));
    }
    let mut session = Session::default();
    session.open(&log);
    if let Some((text, code, output)) = session.outcomes().find(|(_, code, _)| *code != 0) {
        return Err(format!("{file}: {text} ends with {code}: {output:?}"));
    }
    let table = table(&mut session, shown, &options).map_err(|why| format!("{file}: {why}"))?;
    Ok(format!(
        "<coracle-{kind}{embedded}{}>\n<script type=\"text/plain\">\n{}</script>\n{table}</coracle-{kind}>",
        options.attributes(),
        log.replace("</", "<\\/")
    ))
}

/// `name=value` words behind the log; a value goes on up to the next name.
#[derive(Debug, Default)]
struct Options {
    of: String,
    layer: usize,
    edit: String,
    line: String,
}

impl Options {
    fn parse(text: &str) -> Result<Self> {
        let mut options = Self {
            of: "build".to_owned(),
            ..Self::default()
        };
        let mut name = "";
        let mut values: Vec<(&str, String)> = Vec::new();
        for word in text.split_whitespace() {
            match word.split_once('=') {
                Some((key, value)) if ["of", "layer", "edit", "line"].contains(&key) => {
                    name = key;
                    values.push((key, value.to_owned()));
                }
                _ if name.is_empty() => return Err(format!("{word:?} is no option")),
                _ => {
                    if let Some((_, value)) = values.last_mut() {
                        value.extend([" ", word]);
                    }
                }
            }
        }
        for (key, value) in values {
            match key {
                "of" => options.of = value,
                "edit" => options.edit = value,
                "line" => options.line = value,
                _ => options.layer = value.parse().map_err(|_| format!("layer={value}"))?,
            }
        }
        Ok(options)
    }

    fn attributes(&self) -> String {
        let mut text = format!(
            " of=\"{}\" layer=\"{}\"",
            html::escape(&self.of),
            self.layer
        );
        for (name, value) in [("edit", &self.edit), ("line", &self.line)] {
            if !value.is_empty() {
                text.extend([" ", name, "=\"", &html::escape(value), "\""]);
            }
        }
        text
    }
}

fn table(session: &mut Session, kind: &str, options: &Options) -> Result<String> {
    let wanted = Look::Grid {
        kind: kind.to_owned(),
        of: options.of.clone(),
        layer: options.layer,
    };
    let (head, rows) = match look(session, &wanted) {
        Seen::Grid { head, rows } => (head, rows),
        Seen::Nothing { why } => return Err(why),
        other => return Err(format!("{other:?} is no table")),
    };
    let cells = head
        .iter()
        .map(|text| format!("<th>{}</th>", html::escape(text)));
    let head: String = cells.collect::<Vec<_>>().concat();
    let row = |cells: &Vec<Cell>| {
        let cells: Vec<String> = cells.iter().map(shown).collect();
        format!("<tr>{}</tr>\n", cells.concat())
    };
    let body: Vec<String> = rows.iter().map(row).collect();
    Ok(format!(
        "<table class=\"layers\">\n<thead><tr>{head}</tr></thead>\n<tbody>\n{}</tbody>\n</table>\n",
        body.concat()
    ))
}

fn shown(cell: &Cell) -> String {
    let text = html::escape(&cell.text);
    match cell.tone {
        "" => format!("<td>{text}</td>"),
        "code" => format!("<td><code>{text}</code></td>"),
        tone => format!("<td class=\"{tone}\">{text}</td>"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_go_on_up_to_the_next_name() {
        let options = Options::parse("of=app:v2 edit=Dockerfile line=coracle build -t a=b .");
        let options = options.unwrap();
        assert_eq!(options.of, "app:v2");
        assert_eq!(options.line, "coracle build -t a=b .");
        let attributes = options.attributes();
        assert!(attributes.ends_with("edit=\"Dockerfile\" line=\"coracle build -t a=b .\""));
        assert!(Options::parse("what").is_err());
    }

    #[test]
    fn an_element_holds_its_log_and_the_table_of_it() {
        let place = tempfile::tempdir().unwrap();
        let plays = place.path().join("book/plays");
        std::fs::create_dir_all(&plays).unwrap();
        let log = "cat > Dockerfile <<'END'\nFROM alpine:3.20\nRUN echo x > /x\nEND\n";
        std::fs::write(plays.join("one.sh"), log).unwrap();
        let page = expand(place.path(), "diff one layer=1").unwrap();
        assert!(
            page.starts_with("<coracle-diff of=\"build\" layer=\"1\">"),
            "{page}"
        );
        assert!(
            page.contains("<td class=\"new\">A added</td><td><code>x</code></td>"),
            "{page}"
        );
        for (arguments, said) in [
            ("diff one layer=9", "there is no layer 9"),
            ("what one", "there is no element"),
            ("diff", "name an element"),
            ("layers one of=none", "there is no image none"),
        ] {
            let error = expand(place.path(), arguments).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
