//! A container without an image: a directory with busybox as its root, and the driver to run it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::{Call, Sandbox, missing, skip};

/// A sandbox with a root directory for containers.
#[derive(Debug)]
pub struct Scene {
    /// Who runs them, and where.
    pub sandbox: Sandbox,
}

/// Where Debian's package puts a busybox that needs no library.
const BUSYBOX: &str = "/bin/busybox";

impl Scene {
    /// A root that holds busybox under the names of its tools, and a few users. `driver` is the
    /// path of the program `driver`. None, said as a skip, when something for it is not there.
    pub fn new(driver: &str) -> Option<Self> {
        let sandbox = Sandbox::new()?;
        let Ok(busybox) = fs::read(BUSYBOX) else {
            skip(&missing("busybox", "apt-get install busybox-static"));
            return None;
        };
        let scene = Self { sandbox };
        scene.program("bin/driver", fs::read(driver).unwrap());
        scene.program("world/bin/busybox", busybox);
        let tools = scene.sandbox.stagehand(BUSYBOX, ["--list"]).run();
        for tool in tools.succeeds().stdout.lines().filter(|t| *t != "busybox") {
            symlink("busybox", scene.root().join("bin").join(tool)).unwrap();
        }
        scene.sandbox.file(
            "world/etc/passwd",
            "root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n",
        );
        let groups = "root:x:0:\napp:x:1001:\nwheel:x:10:app\n";
        scene.sandbox.file("world/etc/group", groups);
        fs::create_dir(scene.sandbox.path().join("bundle")).unwrap();
        scene.sandbox.give("bundle");
        Some(scene)
    }

    /// The directory that becomes the container's root.
    pub fn root(&self) -> PathBuf {
        self.sandbox.path().join("world")
    }

    /// Writes an executable file below the sandbox's folder.
    pub fn program(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.sandbox.file(name, content);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// The words with which the driver runs `command` in a container with these options.
    pub fn words(&self, options: &[&str], command: &[&str]) -> Vec<String> {
        let folder = self.sandbox.path().display();
        let mut words = vec![
            format!("{folder}/bin/driver"),
            "--root".to_owned(),
            format!("{folder}/world"),
            "--bundle".to_owned(),
            format!("{folder}/bundle"),
        ];
        words.extend(options.iter().map(ToString::to_string));
        words.push("--".to_owned());
        words.extend(command.iter().map(ToString::to_string));
        words
    }

    /// A call that runs `command` in a container with these options.
    pub fn call(&self, options: &[&str], command: &[&str]) -> Call {
        let words = self.words(options, command);
        self.sandbox.program(Path::new(&words[0]), &words[1..])
    }

    /// A call that runs a shell script in a container with these options.
    pub fn script(&self, options: &[&str], script: &str) -> Call {
        self.call(options, &["sh", "-c", script])
    }

    /// A call that runs a shell script of the host in the sandbox, as its person. In it, `"$@"`
    /// is the driver with these options and this command.
    pub fn outside(&self, script: &str, options: &[&str], command: &[&str]) -> Call {
        let mut words = vec!["-c".to_owned(), script.to_owned(), "sh".to_owned()];
        words.extend(self.words(options, command));
        self.sandbox.program(Path::new("/bin/sh"), words)
    }
}
