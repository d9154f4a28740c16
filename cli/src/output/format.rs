//! `--format`: a table, a Go template, or JSON.

use serde_json::Value;

use super::template::{Template, TemplateError};
use coracle::table::table;

/// The option that every command with a result has.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct FormatOption {
    /// Format output using a custom template:
    /// 'table': with column headers (default);
    /// 'table TEMPLATE': with column headers, by a Go template;
    /// 'json': one JSON object a line;
    /// 'TEMPLATE': by a Go template
    #[arg(long, value_name = "string")]
    pub(crate) format: Option<String>,
}

/// What `--format` asks for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Format {
    /// A table with headers; by a template of its own, if one is given.
    Table(Option<Template>),
    /// JSON, complete values.
    Json,
    /// One text by this template for each row.
    Template(Template),
}

impl Format {
    /// Reads what stands behind `--format`. `{{json .}}` is the same as `json`.
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, TemplateError> {
        // A shell passes `\t` as two characters, and people mean a tab.
        let text = text.unwrap_or("table").trim();
        let read =
            |template: &str| Template::parse(&template.replace("\\t", "\t").replace("\\n", "\n"));
        match text.strip_prefix("table") {
            _ if text == "json" || text.replace(' ', "") == "{{json.}}" => Ok(Self::Json),
            Some("") => Ok(Self::Table(None)),
            Some(template) if template.starts_with([' ', '\t', '\\']) => {
                read(template.trim_start()).map(Some).map(Self::Table)
            }
            _ => read(text).map(Self::Template),
        }
    }
}

/// Rows to be printed, in whatever format is asked for.
#[derive(Debug)]
pub(crate) struct Listing {
    /// The template of the plain table, columns separated by tabs.
    pub(crate) columns: &'static str,
    /// Each field's column header.
    pub(crate) headers: &'static [(&'static str, &'static str)],
    /// What is listed.
    pub(crate) rows: Vec<Row>,
}

/// One thing listed, twice.
#[derive(Debug)]
pub(crate) struct Row {
    /// Every field as people read it: what tables and templates show.
    pub(crate) shown: Value,
    /// Every field complete: what JSON shows.
    pub(crate) document: Value,
}

impl Listing {
    /// The text of the whole list.
    pub(crate) fn render(&self, format: &Format) -> Result<String, TemplateError> {
        match format {
            Format::Json => {
                let lines: Vec<_> = self.rows.iter().map(|r| r.document.to_string()).collect();
                Ok(lines.iter().flat_map(|line| [line, "\n"]).collect())
            }
            Format::Template(template) => self.lines(template).map(|lines| lines.concat()),
            Format::Table(Some(template)) => self.table(template),
            Format::Table(None) => self.table(&Template::parse(self.columns)?),
        }
    }

    fn table(&self, template: &Template) -> Result<String, TemplateError> {
        let headers: serde_json::Map<_, _> = self
            .headers
            .iter()
            .map(|(field, header)| ((*field).to_owned(), Value::from(*header)))
            .collect();
        let mut lines = vec![format!("{}\n", template.render(&Value::Object(headers))?)];
        lines.extend(self.lines(template)?);
        let cells = |line: &String| -> Vec<String> {
            line.trim_end_matches('\n')
                .split('\t')
                .map(str::to_owned)
                .collect()
        };
        let rows: Vec<_> = lines.iter().map(cells).collect();
        Ok(table(&rows))
    }

    /// One line for each row, without headers.
    pub(crate) fn lines(&self, template: &Template) -> Result<Vec<String>, TemplateError> {
        self.rows
            .iter()
            .map(|row| Ok(format!("{}\n", template.render(&row.shown)?)))
            .collect()
    }
}

/// The text of one document, such as that of `version`; `plain` makes it when no format is asked
/// for.
pub(crate) fn document(
    value: &Value,
    format: &Format,
    plain: impl FnOnce() -> String,
) -> Result<String, TemplateError> {
    match format {
        Format::Json => Ok(format!("{value}\n")),
        Format::Template(template) => Ok(format!("{}\n", template.render(value)?)),
        Format::Table(_) => Ok(plain()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        let listing = Listing {
            columns: "{{.ID}}\t{{.Tag}}",
            headers: &[("ID", "IMAGE ID"), ("Tag", "TAG")],
            rows: vec![Row {
                shown: serde_json::json!({"ID": "0123", "Tag": "latest"}),
                document: serde_json::json!({"ID": "0123456", "Tag": "latest"}),
            }],
        };
        let check = |format: Option<&str>, expected: &str| {
            let format = Format::parse(format).unwrap();
            assert_eq!(listing.render(&format).unwrap(), expected);
        };
        check(None, "IMAGE ID   TAG\n0123       latest\n");
        check(Some("table"), "IMAGE ID   TAG\n0123       latest\n");
        check(
            Some(r"table {{.Tag}}\t{{.ID}}"),
            "TAG       IMAGE ID\nlatest    0123\n",
        );
        check(Some("{{.ID}}"), "0123\n");
        check(Some("json"), "{\"ID\":\"0123456\",\"Tag\":\"latest\"}\n");
        check(
            Some("{{json .}}"),
            "{\"ID\":\"0123456\",\"Tag\":\"latest\"}\n",
        );
    }
}
