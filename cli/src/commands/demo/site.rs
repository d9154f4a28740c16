//! The small app: a web page, and whatever this machine has to serve it.

use std::fs;
use std::path::Path;

use super::shelf;
use crate::failure::Failure;

/// How the page is served, by what the machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Site {
    /// By Python's own web server.
    Python,
    /// By the web server inside busybox.
    Busybox,
    /// Not at all: a shell prints it.
    Shell,
}

/// A server for one page on the machine's own loopback address.
const SERVE_PY: &str = r#"import http.server, os
address = ("127.0.0.1", int(os.environ["PORT"]))
class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words): pass
http.server.HTTPServer(address, Handler).serve_forever()
"#;

const SERVE_BUSYBOX: &str = "exec busybox httpd -f -p \"127.0.0.1:$PORT\" -h /site\n";

const SERVE_SHELL: &str = "while read line; do echo \"$line\"; done < index.html\n";

impl Site {
    /// Looks along the `PATH` for something that serves.
    pub(super) fn for_this_machine() -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let has = |name: &str| {
            std::env::split_paths(&path).any(|directory| directory.join(name).is_file())
        };
        if has("python3") {
            Self::Python
        } else if has("busybox") {
            Self::Busybox
        } else {
            Self::Shell
        }
    }

    /// What the base must have, as options of `coracle base`.
    pub(super) fn needs(self) -> &'static [&'static str] {
        match self {
            Self::Python => &["--add", "python3"],
            Self::Busybox => &["--add", "busybox"],
            Self::Shell => &[],
        }
    }

    /// The script, its name and what runs it.
    fn script(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Python => ("serve.py", SERVE_PY, "python3"),
            Self::Busybox => ("serve.sh", SERVE_BUSYBOX, "sh"),
            Self::Shell => ("serve.sh", SERVE_SHELL, "sh"),
        }
    }

    /// The Dockerfile. What changes seldom comes first, so that it is built seldom.
    pub(super) fn dockerfile(self) -> String {
        let (name, _, program) = self.script();
        format!(
            "FROM base\nWORKDIR /site\nCOPY {name} ./\nRUN echo \"built by PID $$ as user $(id -u)\" | tee built.txt\nCOPY index.html ./\nCMD [\"{program}\", \"{name}\"]\n"
        )
    }

    /// Writes the sources.
    pub(super) fn write(self, root: &Path, version: &str) -> Result<(), Failure> {
        let directory = root.join("site");
        let (name, script, _) = self.script();
        let refused = |e| Failure::io(format!("write the sources in {}", directory.display()), &e);
        fs::create_dir_all(&directory).map_err(refused)?;
        for (name, text) in [
            ("Dockerfile", self.dockerfile()),
            (name, script.to_owned()),
            ("index.html", page(version)),
        ] {
            fs::write(directory.join(name), text).map_err(refused)?;
        }
        Ok(())
    }

    /// Changes the page's one line, and returns the change as a diff.
    pub(super) fn change(self, root: &Path, old: &str, new: &str) -> Result<String, Failure> {
        self.write(root, new)?;
        Ok(format!("- {}+ {}", page(old), page(new)))
    }

    /// A port that nobody listens at; `None` when nothing is served.
    pub(super) fn port(self) -> Result<Option<u16>, Failure> {
        if self == Self::Shell {
            return Ok(None);
        }
        shelf::free_port().map(Some)
    }
}

fn page(version: &str) -> String {
    format!("<h1>Hello from a coracle, {version}</h1>\n")
}
