//! The rules, a file for each thing that they are about.

mod commands;
mod files;
mod form;
mod packages;
mod run;
mod stages;
mod variables;

use super::rule::Group;

/// All rules.
pub(super) const GROUPS: &[Group] = &[
    Group {
        title: "How instructions are written",
        rules: form::RULES,
    },
    Group {
        title: "Stages and their bases",
        rules: stages::RULES,
    },
    Group {
        title: "Variables",
        rules: variables::RULES,
    },
    Group {
        title: "Files",
        rules: files::RULES,
    },
    Group {
        title: "Packages",
        rules: packages::RULES,
    },
    Group {
        title: "Commands",
        rules: commands::RULES,
    },
    Group {
        title: "RUN as a whole",
        rules: run::RULES,
    },
];
