//! Where builders differ, and why.

/// A case that another builder builds otherwise.
pub(crate) struct Difference {
    /// The file of cases.
    pub(crate) area: &'static str,
    /// The case's name.
    pub(crate) case: &'static str,
    /// Which builder.
    pub(crate) peer: &'static str,
    /// Why, in a sentence without a full stop.
    pub(crate) reason: &'static str,
}

impl Difference {
    /// Whether it is about this case and builder.
    pub(crate) fn is(&self, area: &str, case: &str, peer: &str) -> bool {
        (self.area, self.case, self.peer) == (area, case, peer)
    }
}

/// What buildah does everywhere: it leaves the working directory of nothing unsaid, where BuildKit
/// says `/`, and the files that it mounts for a RUN stay, empty, when the image had none. What we have
/// there stands beside it.
pub(crate) const OF_BUILDAH: &[(&str, Option<&str>)] = &[
    ("config.WorkingDir", Some("\"/\"")),
    ("/etc/hostname", None),
    ("/etc/resolv.conf", None),
];

/// All of them. One that is not needed fails the test.
pub(crate) const EXPLAINED: &[Difference] = &[
    of(
        "add",
        "an archive is unpacked",
        "buildah",
        "The entry of the archive's own root gives its owner to the destination there",
    ),
    of(
        "add",
        "an archive with an owner",
        "docker",
        "BuildKit takes --chown for what is in an archive only since a later version",
    ),
    of(
        "add",
        "an archive with an owner",
        "buildah",
        "It keeps the archive's owners, as BuildKit once did",
    ),
    of(
        "variables",
        "a stage on a stage inherits its arguments",
        "buildah",
        "Arguments end with their stage there, also for a stage upon it",
    ),
    of(
        "variables",
        "an argument below the environment counts more",
        "buildah",
        "ENV counts more there wherever it stands",
    ),
    of(
        "variables",
        "a default below the environment",
        "buildah",
        "ENV counts more there wherever it stands",
    ),
    of(
        "variables",
        "the forms that came later",
        "docker",
        "This version's frontend knows only `:-` and `:+`",
    ),
    of(
        "variables",
        "the forms that came later",
        "buildah",
        "This version knows only `:-` and `:+`",
    ),
    of(
        "variables",
        "the name of a base from an argument",
        "buildah",
        "It does not build a stage whose name is known only by an argument's default",
    ),
    of(
        "variables",
        "platform arguments above the first stage need no declaration",
        "buildah",
        "It does not build a stage whose name is known only by a platform argument",
    ),
    of(
        "variables",
        "proxies need no declaration and are not kept",
        "buildah",
        "It expands proxies in instructions, too, and so keeps them in the image",
    ),
    of(
        "config",
        "HEALTHCHECK with an interval that is too short",
        "buildah",
        "It has no shortest interval",
    ),
    of(
        "config",
        "HEALTHCHECK with an interval of nothing",
        "docker",
        "In later versions of BuildKit, 0s is the default",
    ),
    of(
        "config",
        "HEALTHCHECK with an interval of nothing",
        "buildah",
        "In BuildKit, 0s is the default",
    ),
    of(
        "config",
        "SHELL changes the shell form that follows",
        "buildah",
        "SHELL is for RUN only there",
    ),
    of(
        "config",
        "SHELL is inherited by a stage on a stage",
        "buildah",
        "SHELL is for RUN only there",
    ),
    of(
        "config",
        "WORKDIR where a file is",
        "buildah",
        "It notes the path and makes no directory",
    ),
    of(
        "config",
        "EXPOSE in all forms",
        "buildah",
        "It keeps a range as it is written, which no engine reads",
    ),
    of(
        "config",
        "EXPOSE of what is no port",
        "buildah",
        "It keeps any word",
    ),
    of(
        "config",
        "EXPOSE with a port of the host",
        "buildah",
        "It keeps any word",
    ),
    of(
        "config",
        "EXPOSE with capital letters",
        "buildah",
        "It keeps any word",
    ),
    of(
        "config",
        "EXPOSE beyond the last port",
        "buildah",
        "It keeps any word",
    ),
    of(
        "config",
        "a target by number",
        "docker",
        "BuildKit finds stages by name only; buildah and Coracle by number, too",
    ),
    of(
        "config",
        "an instruction before the first stage",
        "buildah",
        "It does what stands there for no stage",
    ),
    of(
        "config",
        "the escape directive",
        "buildah",
        "It expands with the backslash whatever the directive says",
    ),
    of(
        "config",
        "capital and small letters",
        "buildah",
        "Names of stages are told apart by case there",
    ),
    of(
        "run",
        "a bind mount of the context",
        "docker",
        "This version leaves the mount's empty directory behind; later ones take it away",
    ),
    of(
        "run",
        "a bind mount of a stage",
        "docker",
        "This version leaves the mount's empty directory behind; later ones take it away",
    ),
    of(
        "run",
        "what is written to a bind mount is thrown away",
        "docker",
        "This version leaves the mount's empty directory behind; later ones take it away",
    ),
    of(
        "run",
        "a cache keeps what one step leaves to the next",
        "docker",
        "This version leaves the mount's empty directory behind; later ones take it away",
    ),
    of(
        "run",
        "memory for a step",
        "docker",
        "This version leaves the mount's empty directory behind; later ones take it away",
    ),
    of(
        "run",
        "a secret",
        "docker",
        "This version leaves the mount's empty directory behind; later ones take it away",
    ),
    of(
        "run",
        "a secret",
        "buildah",
        "It leaves the mount's empty directory behind",
    ),
    of(
        "copy",
        "several sources need a slash",
        "docker",
        "It copies one file over the other without a word, although its documentation wants a slash",
    ),
    of(
        "copy",
        "several sources need a slash",
        "buildah",
        "It makes a directory, although Docker's documentation wants a slash",
    ),
    of(
        "copy",
        "several sources need a slash even for a directory that is there",
        "docker",
        "Docker's documentation wants a slash",
    ),
    of(
        "copy",
        "several sources need a slash even for a directory that is there",
        "buildah",
        "Docker's documentation wants a slash",
    ),
    of(
        "copy",
        "a class takes the meaning of a wildcard away",
        "buildah",
        "It takes the brackets away before it matches",
    ),
    of(
        "copy",
        "two backslashes before a wildcard",
        "buildah",
        "It undoes escapes twice",
    ),
    of(
        "copy",
        "a pattern that names nothing",
        "buildah",
        "A pattern has to name something there, unless another source is a file",
    ),
    of(
        "copy",
        "a malformed pattern",
        "docker",
        "It takes a malformed pattern for one that names nothing, without a word",
    ),
    of(
        "copy",
        "bits beyond reading writing and executing",
        "buildah",
        "It drops them",
    ),
    of(
        "copy",
        "a destination that is a link to a file",
        "buildah",
        "It follows the link, where BuildKit takes its place",
    ),
    of(
        "copy",
        "a destination that is a link to nothing",
        "buildah",
        "It makes what the link names a directory",
    ),
    of(
        "copy",
        "a file cannot take the place of a directory",
        "buildah",
        "It removes the directory, where BuildKit refuses",
    ),
    of(
        "copy",
        "a directory inside cannot take the place of a file",
        "buildah",
        "It removes the file, where BuildKit refuses",
    ),
    of(
        "copy",
        "a directory onto a link to a directory",
        "buildah",
        "It removes the link, where BuildKit refuses",
    ),
    of(
        "copy",
        "an owner that is not there",
        "docker",
        "It gives the file to root without a word",
    ),
    of(
        "copy",
        "modes by number",
        "docker",
        "Only later versions take the bits beyond 0777",
    ),
    of(
        "copy",
        "a mode that is none",
        "docker",
        "This version takes any word, and ignores what is no number",
    ),
    of(
        "copy",
        "from a stage by name and by number",
        "buildah",
        "Names of stages are told apart by case there",
    ),
];

const fn of(
    area: &'static str,
    case: &'static str,
    peer: &'static str,
    reason: &'static str,
) -> Difference {
    Difference {
        area,
        case,
        peer,
        reason,
    }
}
