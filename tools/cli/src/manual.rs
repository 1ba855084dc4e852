//! `completions` and `man`: both made from the definition of the commands, so neither can fall behind. They need no stack.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Command};
use clap_complete::Shell;

use crate::out::{self, Ended};

/// As the command is called.
const NAME: &str = "hookledger";

/// For which shell.
#[derive(Args)]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Where to.
#[derive(Args)]
pub(crate) struct Man {
    /// A folder: a page of each command is written there. Without it, the first page goes to standard output.
    dir: Option<PathBuf>,
}

/// Shows what the shell has to read.
pub(crate) fn completions(mut command: Command, order: &Completions) -> anyhow::Result<Ended> {
    let mut script = Vec::new();
    clap_complete::generate(order.shell, &mut command, NAME, &mut script);
    out::ours(&String::from_utf8(script)?);
    Ok(Ended::Well)
}

/// Shows the first page, or writes all of them.
pub(crate) fn man(command: Command, order: &Man) -> anyhow::Result<Ended> {
    let Some(dir) = &order.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        out::ours(&String::from_utf8(page)?);
        return Ok(Ended::Well);
    };
    let written = std::fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(command, dir));
    written.with_context(|| format!("the pages can't be written to {}", dir.display()))?;
    out::note(format!("written to {}: `man -l {}/{NAME}.1` shows the first", dir.display(), dir.display()));
    Ok(Ended::Well)
}
