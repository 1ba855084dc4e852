//! Who may depend on whom: among crates, and among the files of each crate.

mod crates;
mod files;
mod floors;
mod modules;

use crate::project::Project;
use anyhow::Result;

pub(super) fn check(project: &Project) -> Result<()> {
    let metadata = project.metadata()?;
    crates::check(&metadata)?;
    floors::check(project, &metadata)
}
