//! Go templates, as far as people write them behind `--format`.
//!
//! Fields (`{{.Config.Env}}`), pipes, `if`/`else`, `range`, `with`, and the functions that Docker
//! adds: `json join split upper lower title truncate pad println len index eq ne not and or`.
//! Source: [text/template](https://pkg.go.dev/text/template) and
//! [Docker's formatting page](https://docs.docker.com/engine/cli/formatting/).

mod fill;
mod functions;
mod read;

use serde_json::Value;

/// A template, understood.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Template {
    /// As it was written, for errors.
    text: String,
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Text(String),
    Print(Pipe),
    If(Pipe, Vec<Node>, Vec<Node>),
    With(Pipe, Vec<Node>, Vec<Node>),
    Range(Pipe, Vec<Node>, Vec<Node>),
}

/// Calls from left to right; each gets the result of the one before as its last argument.
#[derive(Debug, Clone, PartialEq)]
struct Pipe(Vec<Vec<Term>>);

#[derive(Debug, Clone, PartialEq)]
enum Term {
    /// `.A.B`; empty for the dot itself. `true` for a path that starts at `$`, the whole.
    Field(Vec<String>, bool),
    Literal(Value),
    Function(String),
    /// A pipe in parentheses, and the path to take from what it gives.
    Group(Pipe, Vec<String>),
}

/// Why a template cannot be read, or cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("--format {template:?}: {reason}")]
pub(crate) struct TemplateError {
    template: String,
    reason: String,
}

impl Template {
    /// Reads a template.
    pub(crate) fn parse(text: &str) -> Result<Self, TemplateError> {
        let refuse = |reason: String| TemplateError {
            template: text.to_owned(),
            reason,
        };
        let mut pieces = read::pieces(text).map_err(refuse)?.into_iter();
        let (nodes, end) = read::nodes(&mut pieces).map_err(refuse)?;
        match end {
            None => Ok(Self {
                text: text.to_owned(),
                nodes,
            }),
            Some(word) => Err(refuse(format!(
                "there is nothing that {{{{{word}}}}} could belong to"
            ))),
        }
    }

    /// Fills in `value`. A field that `value` does not have at its top is an error; further
    /// down it is `<no value>`, as Go prints it for maps.
    pub(crate) fn render(&self, value: &Value) -> Result<String, TemplateError> {
        let mut out = String::new();
        let scope = fill::Scope {
            dot: value,
            whole: value,
        };
        fill::render(&self.nodes, scope, &mut out).map_err(|reason| TemplateError {
            template: self.text.clone(),
            reason,
        })?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(template: &str, expected: &str) {
        let value = serde_json::json!({
            "ID": "0123456789ab",
            "Repository": "base",
            "Tag": "latest",
            "Size": 52,
            "Config": {"Env": ["A=1", "B=2"], "Labels": {"k": "v"}, "Cmd": []},
        });
        let shown = Template::parse(template)
            .and_then(|t| t.render(&value))
            .unwrap_or_else(|e| format!("error: {}", e.reason));
        assert_eq!(shown, expected, "{template}");
    }

    #[test]
    fn what_people_write() {
        check("{{.ID}}", "0123456789ab");
        check("{{ .Repository }}:{{.Tag}}", "base:latest");
        check("{{json .Config.Env}}", r#"["A=1","B=2"]"#);
        check("{{.Config.Env}} {{.Config.Labels}}", "[A=1 B=2] map[k:v]");
        check("{{range .Config.Env}}{{println .}}{{end}}", "A=1\nB=2\n");
        check("{{range .Config.Cmd}}x{{else}}none{{end}}", "none");
        check(r#"{{join .Config.Env ", "}}"#, "A=1, B=2");
        check(
            r#"{{index .Config.Labels "k"}} {{index .Config.Env 1}}"#,
            "v B=2",
        );
        check(
            "{{.Tag | upper}} {{title .Tag}} {{len .Config.Env}}",
            "LATEST Latest 2",
        );
        check("{{truncate .ID 4}}|{{pad .Tag 1 2}}|", "0123| latest  |");
        check(
            "{{(index (split .Repository \"a\") 0)}} {{($).Tag}}",
            "b latest",
        );
        check(r#"{{if eq .Tag "latest"}}yes{{else}}no{{end}}"#, "yes");
        check("{{with .Config}}{{len (index .Env 0)}}{{end}}", "3");
        check("{{with .Config.Cmd}}x{{else}}{{.Size}}{{end}}", "52");
        check("a {{- /* gone */ -}} b", "ab");
        check("{{.Config.Labels.nope}}", "<no value>");
        check(
            r#"{{range .Config.Env}}{{$.Tag}}{{index (split . "=") 1}}{{end}}"#,
            "latest1latest2",
        );
    }

    #[test]
    fn what_cannot_be_understood_says_why() {
        check(
            "{{.Tga}}",
            "error: there is no field .Tga; did you mean .Tag? The fields are: Config, ID, Repository, Size, Tag",
        );
        check("{{.ID", "error: a {{ is never closed by }}");
        check(
            "{{jsn .}}",
            "error: there is no function \"jsn\"; did you mean json?",
        );
        check("{{if .ID}}x", "error: {{if}} is never closed by {{end}}");
        check(
            "{{end}}",
            "error: there is nothing that {{end}} could belong to",
        );
        check("{{}}", "error: there is nothing to print between {{ and }}");
        check("{{(.ID}}", "error: a ( is never closed");
    }
}
