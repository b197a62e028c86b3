//! `ckpt inspect`.

mod outline;
mod page;
mod statistics;
mod summary;
mod tables;
mod tree;
mod words;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use ckpt_core::EngineError;
use ckpt_core::archive::Import;
use ckpt_core::inside::{Inside, Sections};
use ckpt_core::inspect::{Inspection, LivingError, LivingInspection, inspect_container, inspect_import};
#[cfg(feature = "images")]
use ckpt_core::pull::{Description, describe};
#[cfg(feature = "images")]
use ckpt_core::reference::ImageRef;
use clap::{Args, ValueEnum};
#[cfg(feature = "images")]
use comfy_table::Table;
#[cfg(feature = "images")]
use comfy_table::presets::UTF8_FULL_CONDENSED;
#[cfg(feature = "images")]
use indicatif::HumanBytes;
use schemars::JsonSchema;
use serde::Serialize;

#[cfg(feature = "images")]
use crate::archive::image;
#[cfg(feature = "serve")]
use crate::archive::saved::is_saved;
use crate::archive::saved::names_save;
use crate::arguments::{IdentityArgument, StoreArgument};
use crate::files::Files;
use crate::json::print_json;
use crate::messages::print_text;
use crate::names::printable;
use crate::spool;
use crate::table::print_table;

/// Show what an archive holds, what went on in its container, and what that would be allowed on this host
///
/// Without further options, shows what the archive is, and how much of its data is shared with other files. With --ps and
/// others, shows those parts: they are read out of CRIU's images, and nothing is unpacked. The same of a container of
/// podman, by its name, is read from /proc. Archives of CRI-O and containerd, which the kubelet keeps in
/// /var/lib/kubelet/checkpoints, are read as well.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The archive, made by ckpt, podman, CRI-O or containerd; or a save, as web~1; or an image, as oci:DIR:TAG or docker://HOST/NAME:TAG,
    /// whose layer is not fetched from a registry; or a container of podman, by its name or ID
    #[arg(value_name = "ARCHIVE|NAME")]
    archive: PathBuf,
    #[command(flatten)]
    parts: Parts,
    /// Write all of it as a page for a browser, which needs nothing else: no network, no scripts. Without --environment,
    /// the page has no environment
    #[arg(long, value_name = "FILE", conflicts_with_all = ["format", "pid"])]
    html: Option<PathBuf>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    identity: IdentityArgument,
    #[command(flatten)]
    store: StoreArgument,
}

/// Which parts are shown.
#[derive(Args)]
struct Parts {
    /// Show the processes: IDs, user, state, threads, memory, command line
    #[arg(long)]
    ps: bool,
    /// Show the environment of each process
    #[arg(long)]
    environment: bool,
    /// Show what each process has open: files, pipes, sockets and others, with its working directory and root
    #[arg(long)]
    files: bool,
    /// Show the sockets of each process
    #[arg(long)]
    sockets: bool,
    /// Show the limits of each process
    #[arg(long)]
    limits: bool,
    /// Show the mounts
    #[arg(long)]
    mounts: bool,
    /// Show the namespaces, and who is in which
    #[arg(long)]
    namespaces: bool,
    /// Show what the checkpoint took, as CRIU and ckpt measured it
    #[arg(long)]
    stats: bool,
    /// Show all of this
    #[arg(long)]
    all: bool,
    /// Only this process, by its ID in the container, and those below it
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// A table for each part
    Table,
    /// Each process with what it has, below its parent
    Tree,
    Json,
}

impl Parts {
    fn sections(&self) -> Sections {
        if self.all {
            return Sections { pid: self.pid, ..Sections::all() };
        }
        Sections {
            processes: self.ps || self.environment,
            environment: self.environment,
            files: self.files,
            sockets: self.sockets,
            limits: self.limits,
            mounts: self.mounts,
            namespaces: self.namespaces,
            statistics: self.stats,
            pid: self.pid,
        }
    }
}

#[cfg(feature = "serve")]
impl Arguments {
    /// Whether it is a save, which only root reads, or a container of root's.
    pub(crate) fn needs_root(&self) -> bool {
        is_saved(&self.archive) || container_optional(&self.archive, &Files::Own).is_some()
    }
}

pub(crate) fn run(arguments: &Arguments, files: &Files) -> Result<()> {
    #[cfg(feature = "images")]
    // Another user's settings and rights are not this one's: a client's image would be read with root's.
    if !files.are_lent()
        && let Some(image) = image::parse_optional(&arguments.archive)?
    {
        return match image {
            ImageRef::Registry(_) => print_description(&describe(&image, None)?, arguments.format),
            ImageRef::Layout(_) => inspect(arguments, &image::import(&image, None, "inspect")?),
        };
    }
    match container_optional(&arguments.archive, files) {
        Some(name) if !names_save(&arguments.archive) => return container(arguments, name),
        _ => {}
    }
    let archive = files.archive(&arguments.archive, &arguments.store)?;
    inspect(arguments, &arguments.identity.open_to_look(archive.import(), None)?)
}

/// The name of a container, if `word` can be one: no file has it, and no path is meant.
fn container_optional<'w>(word: &'w Path, files: &Files) -> Option<&'w str> {
    word.to_str().filter(|text| !files.has(word) && !text.contains(['/', ':']) && *text != "-")
}

fn container(arguments: &Arguments, name: &str) -> Result<()> {
    ensure!(
        arguments.html.is_none(),
        "a page is made of an archive: save the container with `ckpt save {name}`, and take {name}~1"
    );
    let inspection = match inspect_container(name, &arguments.parts.sections(), None) {
        Err(LivingError::Engine(error @ EngineError::UnknownContainer { .. })) => {
            return Err(error).with_context(|| format!("there is no file {}", printable(name.as_bytes())));
        }
        inspection => inspection?,
    };
    print(arguments, &inspection)
}

fn inspect(arguments: &Arguments, import: &Import) -> Result<()> {
    match &arguments.html {
        Some(path) => page::write(path, import, arguments.parts.environment),
        None => print(arguments, &inspect_import(import, &spool::folder(), &arguments.parts.sections())?),
    }
}

/// What can be shown in each format.
trait Shown: Serialize + JsonSchema {
    fn title(&self) -> String;
    fn print_summary(&self) -> Result<()>;
    fn inside(&self) -> &Inside;
}

impl Shown for Inspection {
    fn title(&self) -> String {
        format!("{} ({})", self.name, self.image)
    }

    fn print_summary(&self) -> Result<()> {
        summary::print(self)
    }

    fn inside(&self) -> &Inside {
        &self.inside
    }
}

impl Shown for LivingInspection {
    fn title(&self) -> String {
        format!("{} ({})", self.name, self.image)
    }

    fn print_summary(&self) -> Result<()> {
        summary::print_living(self)
    }

    fn inside(&self) -> &Inside {
        &self.inside
    }
}

fn print(arguments: &Arguments, shown: &impl Shown) -> Result<()> {
    let sections = arguments.parts.sections();
    match arguments.format {
        Format::Json => print_json(shown),
        Format::Tree => print_text(tree::tree(&printable(shown.title().as_bytes()), shown.inside())),
        Format::Table => {
            if arguments.parts.all || !sections.any() {
                shown.print_summary()?;
            }
            tables::tables(shown.inside(), &sections).into_iter().try_for_each(print_table)
        }
    }
}

/// What is known without the layer.
#[cfg(feature = "images")]
fn print_description(description: &Description, format: Format) -> Result<()> {
    if let Format::Json = format {
        return print_json(description);
    }
    let mut facts = Table::new();
    facts.load_style(UTF8_FULL_CONDENSED);
    let mut add = |title: &str, text: &str| {
        facts.add_row([printable(title.as_bytes()), printable(text.as_bytes())]);
    };
    add("image", &description.image);
    add("digest", &description.digest);
    add("layer", &description.layer_type);
    add("layer's digest", &description.layer_digest);
    add("layer's length", &HumanBytes(description.layer_bytes).to_string());
    for (name, value) in &description.annotations {
        add(name, value);
    }
    print_table(facts)
}
