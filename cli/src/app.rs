//! Every command and option of the program, as clap sees them, and the way from one to its code.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::commands::{
    base, build, builder_prune, commit, completion, container_prune, context_ls, copy, cp, create,
    demo, diff, dockerfile_expand, dockerfile_explain, dockerfile_lint, dockerfile_parse,
    dockerignore_check, doctor, export, fsck, glossary, history, image_check, image_ls_files,
    image_tree, image_unpack, images, import, inspect, layer_apply, layer_diff, layer_ls, load,
    login, logout, manifest_inspect, prune, ps, pull, push, reference_parse, registry_serve,
    rename, rm, rmi, run, save, start, system_df, system_prune, tag, tags, version,
};
use crate::context::Context;
use crate::failure::Outcome;

/// What was typed.
#[derive(Debug, Parser)]
#[command(
    name = "coracle",
    about = "The smallest Docker that one person can build by hand",
    version
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options that every command takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Global {
    /// Where everything is kept: images, snapshots, containers, cache (or set CORACLE_ROOT)
    #[arg(long, global = true, value_name = "directory")]
    root: Option<PathBuf>,
    /// Tell the causes below an error, too
    #[arg(short = 'D', long, global = true)]
    pub(crate) debug: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Base(base::Options),
    Build(Box<build::Options>),
    /// Manage builds
    #[command(subcommand)]
    Builder(BuilderCommand),
    Commit(commit::Options),
    Completion(completion::Options),
    /// Manage containers
    #[command(subcommand)]
    Container(ContainerCommand),
    /// Look at build contexts
    #[command(subcommand)]
    Context(ContextCommand),
    Copy(copy::Options),
    Cp(cp::Options),
    Create(Box<create::Options>),
    Demo(demo::Options),
    Diff(diff::Options),
    /// Look at Dockerfiles
    #[command(subcommand)]
    Dockerfile(DockerfileCommand),
    /// Look at ignore files
    #[command(subcommand)]
    Dockerignore(DockerignoreCommand),
    Doctor(doctor::Options),
    Export(export::Options),
    Fsck(fsck::Options),
    Glossary(glossary::Options),
    History(history::Options),
    /// Manage images
    #[command(subcommand)]
    Image(ImageCommand),
    Images(images::Options),
    Import(import::Options),
    Inspect(inspect::Options),
    /// Look at layers, make and apply them
    #[command(subcommand)]
    Layer(LayerCommand),
    Load(load::Options),
    Login(login::Options),
    Logout(logout::Options),
    /// Look at manifests in registries
    #[command(subcommand)]
    Manifest(ManifestCommand),
    Ps(ps::Options),
    Pull(pull::Options),
    Push(push::Options),
    /// Look at image references
    #[command(subcommand)]
    Reference(ReferenceCommand),
    /// Manage a registry
    #[command(subcommand)]
    Registry(RegistryCommand),
    Rename(rename::Options),
    Rm(rm::Options),
    Rmi(rmi::Options),
    Run(Box<run::Options>),
    Save(save::Options),
    Start(start::Options),
    /// Manage Coracle
    #[command(subcommand)]
    System(SystemCommand),
    Tag(tag::Options),
    Tags(tags::Options),
    Version(version::Options),
}

/// `coracle image …`: Docker's management forms, and what Docker has not.
#[derive(Debug, Subcommand)]
enum ImageCommand {
    Build(Box<build::Options>),
    Check(image_check::Options),
    History(history::Options),
    Import(import::Options),
    Inspect(inspect::Options),
    Load(load::Options),
    #[command(visible_alias = "list")]
    Ls(images::Options),
    LsFiles(image_ls_files::Options),
    Prune(prune::ImageOptions),
    Pull(pull::Options),
    Push(push::Options),
    #[command(visible_alias = "remove")]
    Rm(rmi::Options),
    Save(save::Options),
    Tag(tag::Options),
    Tree(image_tree::Options),
    Unpack(image_unpack::Options),
}

/// `coracle manifest …`.
#[derive(Debug, Subcommand)]
enum ManifestCommand {
    Inspect(manifest_inspect::Options),
}

/// `coracle builder …`.
#[derive(Debug, Subcommand)]
enum BuilderCommand {
    Prune(builder_prune::Options),
}

/// `coracle container …`.
#[derive(Debug, Subcommand)]
enum ContainerCommand {
    Commit(commit::Options),
    Cp(cp::Options),
    Create(Box<create::Options>),
    Diff(diff::Options),
    Export(export::Options),
    Inspect(inspect::Options),
    #[command(visible_aliases = ["list", "ps"])]
    Ls(ps::Options),
    Prune(container_prune::Options),
    Rename(rename::Options),
    #[command(visible_alias = "remove")]
    Rm(rm::Options),
    Run(Box<run::Options>),
    Start(start::Options),
}

/// `coracle dockerfile …`.
#[derive(Debug, Subcommand)]
enum DockerfileCommand {
    Expand(dockerfile_expand::Options),
    Explain(dockerfile_explain::Options),
    Lint(dockerfile_lint::Options),
    Parse(dockerfile_parse::Options),
}

/// `coracle layer …`.
#[derive(Debug, Subcommand)]
enum LayerCommand {
    Apply(layer_apply::Options),
    Diff(layer_diff::Options),
    #[command(visible_alias = "list")]
    Ls(layer_ls::Options),
}

/// `coracle dockerignore …`.
#[derive(Debug, Subcommand)]
enum DockerignoreCommand {
    Check(dockerignore_check::Options),
}

/// `coracle context …`: of builds. Docker's contexts, which name daemons, have no place here.
#[derive(Debug, Subcommand)]
enum ContextCommand {
    Ls(context_ls::Options),
}

/// `coracle reference …`.
#[derive(Debug, Subcommand)]
enum ReferenceCommand {
    Parse(reference_parse::Options),
}

/// `coracle registry …`.
#[derive(Debug, Subcommand)]
enum RegistryCommand {
    Serve(Box<registry_serve::Options>),
}

/// `coracle system …`.
#[derive(Debug, Subcommand)]
enum SystemCommand {
    Df(system_df::Options),
    Prune(system_prune::Options),
}

/// The whole command line as a value, for help and completion.
pub(crate) fn command() -> clap::Command {
    Cli::command()
}

/// Understands what was typed.
pub(crate) fn parse(arguments: &[OsString]) -> Result<Cli, clap::Error> {
    let matches = command().try_get_matches_from(arguments)?;
    Cli::from_arg_matches(&matches)
}

/// Does what was typed.
pub(crate) fn run(cli: Cli) -> Outcome {
    let context = || Context::new(cli.global.root);
    match cli.command {
        Command::Base(options) => base::run(&options, &context()?),
        Command::Build(options) | Command::Image(ImageCommand::Build(options)) => {
            build::run(&options, &context()?)
        }
        Command::Builder(BuilderCommand::Prune(options)) => {
            builder_prune::run(&options, &context()?)
        }
        Command::Completion(options) => completion::run(&options),
        Command::Container(command) => container(command, &context()?),
        Command::Commit(options) => commit::run(&options, &context()?),
        Command::Copy(options) => copy::run(&options, &context()?),
        Command::Cp(options) => cp::run(&options, &context()?),
        Command::Create(options) => create::run(&options, &context()?),
        Command::Diff(options) => diff::run(&options, &context()?),
        Command::Export(options) => export::run(&options, &context()?),
        Command::Demo(options) => demo::run(&options),
        Command::Context(ContextCommand::Ls(options)) => {
            // Without a place for the state there is none in the context either.
            let state = context().ok().map(|context| context.root);
            context_ls::run(&options, state.as_deref())
        }
        Command::Dockerfile(command) => dockerfile(command),
        Command::Dockerignore(DockerignoreCommand::Check(options)) => {
            dockerignore_check::run(&options)
        }
        Command::Doctor(options) => doctor::run(&options, &context()?),
        Command::Fsck(options) => fsck::run(&options, &context()?),
        Command::History(options) | Command::Image(ImageCommand::History(options)) => {
            history::run(&options, &context()?)
        }
        Command::Image(ImageCommand::Check(options)) => image_check::run(&options, &context()?),
        Command::Image(ImageCommand::LsFiles(options)) => {
            image_ls_files::run(&options, &context()?)
        }
        Command::Image(ImageCommand::Prune(options)) => prune::images(&options, &context()?),
        Command::Image(ImageCommand::Tree(options)) => image_tree::run(&options, &context()?),
        Command::Image(ImageCommand::Unpack(options)) => image_unpack::run(&options, &context()?),
        Command::Images(options) | Command::Image(ImageCommand::Ls(options)) => {
            images::run(&options, &context()?)
        }
        Command::Import(options) | Command::Image(ImageCommand::Import(options)) => {
            import::run(&options, &context()?)
        }
        Command::Inspect(options) => inspect::run(&options, &context()?),
        Command::Image(ImageCommand::Inspect(options)) => {
            inspect::run_as(inspect::ObjectType::Image, options, &context()?)
        }
        Command::Layer(LayerCommand::Apply(options)) => layer_apply::run(&options),
        Command::Layer(LayerCommand::Diff(options)) => layer_diff::run(&options),
        Command::Layer(LayerCommand::Ls(options)) => layer_ls::run(&options),
        Command::Load(options) | Command::Image(ImageCommand::Load(options)) => {
            load::run(&options, &context()?)
        }
        Command::Login(options) => login::run(&options),
        Command::Logout(options) => logout::run(&options),
        Command::Manifest(ManifestCommand::Inspect(options)) => manifest_inspect::run(&options),
        Command::Ps(options) => ps::run(&options, &context()?),
        Command::Pull(options) | Command::Image(ImageCommand::Pull(options)) => {
            pull::run(&options, &context()?)
        }
        Command::Push(options) | Command::Image(ImageCommand::Push(options)) => {
            push::run(&options, &context()?)
        }
        Command::Reference(ReferenceCommand::Parse(options)) => reference_parse::run(&options),
        Command::Registry(RegistryCommand::Serve(options)) => {
            registry_serve::run(&options, &context()?)
        }
        Command::Rename(options) => rename::run(&options, &context()?),
        Command::Rm(options) => rm::run(&options, &context()?),
        Command::Rmi(options) | Command::Image(ImageCommand::Rm(options)) => {
            rmi::run(&options, &context()?)
        }
        Command::Run(options) => run::run(&options, &context()?),
        Command::Start(options) => start::run(&options, &context()?),
        Command::Save(options) | Command::Image(ImageCommand::Save(options)) => {
            save::run(&options, &context()?)
        }
        Command::System(SystemCommand::Df(options)) => system_df::run(&options, &context()?),
        Command::System(SystemCommand::Prune(options)) => system_prune::run(&options, &context()?),
        Command::Tag(options) | Command::Image(ImageCommand::Tag(options)) => {
            tag::run(&options, &context()?)
        }
        Command::Glossary(options) => glossary::run(&options),
        Command::Tags(options) => tags::run(&options),
        Command::Version(options) => version::run(&options),
    }
}

fn container(command: ContainerCommand, context: &Context) -> Outcome {
    match command {
        ContainerCommand::Commit(options) => commit::run(&options, context),
        ContainerCommand::Cp(options) => cp::run(&options, context),
        ContainerCommand::Create(options) => create::run(&options, context),
        ContainerCommand::Diff(options) => diff::run(&options, context),
        ContainerCommand::Export(options) => export::run(&options, context),
        ContainerCommand::Inspect(options) => {
            inspect::run_as(inspect::ObjectType::Container, options, context)
        }
        ContainerCommand::Ls(options) => ps::run(&options, context),
        ContainerCommand::Prune(options) => container_prune::run(&options, context),
        ContainerCommand::Rename(options) => rename::run(&options, context),
        ContainerCommand::Rm(options) => rm::run(&options, context),
        ContainerCommand::Run(options) => run::run(&options, context),
        ContainerCommand::Start(options) => start::run(&options, context),
    }
}

fn dockerfile(command: DockerfileCommand) -> Outcome {
    match command {
        DockerfileCommand::Expand(options) => dockerfile_expand::run(&options),
        DockerfileCommand::Explain(options) => dockerfile_explain::run(&options),
        DockerfileCommand::Lint(options) => dockerfile_lint::run(&options),
        DockerfileCommand::Parse(options) => dockerfile_parse::run(&options),
    }
}
