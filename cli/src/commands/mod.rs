//! One file a command: its options as `Options`, and `run`, which does it.

#![allow(clippy::struct_excessive_bools)] // options are flags, and flags are bools

pub(crate) mod base;
pub(crate) mod build;
pub(crate) mod builder_prune;
pub(crate) mod commit;
pub(crate) mod completion;
mod container_inspect;
pub(crate) mod container_prune;
pub(crate) mod context_ls;
pub(crate) mod cp;
pub(crate) mod create;
pub(crate) mod demo;
pub(crate) mod diff;
pub(crate) mod dockerfile_expand;
pub(crate) mod dockerfile_explain;
pub(crate) mod dockerfile_lint;
pub(crate) mod dockerfile_parse;
pub(crate) mod dockerignore_check;
pub(crate) mod doctor;
pub(crate) mod export;
pub(crate) mod fsck;
pub(crate) mod history;
pub(crate) mod image_check;
pub(crate) mod image_ls_files;
pub(crate) mod image_tree;
pub(crate) mod image_unpack;
pub(crate) mod images;
pub(crate) mod import;
pub(crate) mod inspect;
pub(crate) mod layer_apply;
pub(crate) mod layer_diff;
pub(crate) mod layer_ls;
pub(crate) mod load;
pub(crate) mod prune;
pub(crate) mod ps;
pub(crate) mod reference_parse;
pub(crate) mod rename;
pub(crate) mod rm;
pub(crate) mod rmi;
pub(crate) mod run;
pub(crate) mod save;
pub(crate) mod start;
pub(crate) mod system_df;
pub(crate) mod system_prune;
pub(crate) mod tag;
pub(crate) mod version;
