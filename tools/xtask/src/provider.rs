//! `provider new`: the beginning of a provider. It compiles and lets nothing in; `check inventory` lists what it lacks.

use crate::check::inventory;
use crate::process::job::Job;
use crate::project::Project;
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::Path;
use std::time::Duration;

const FORMAT_LIMIT: Duration = Duration::from_secs(120);
/// The longest name: a function is called `<stack>-<name>`.
const MAX_NAME: usize = 20;

/// A provider that is begun. Core compiles it with its tests.
const NEWCOMER: &str = include_str!("../../../shared/core/src/providers/newcomer.rs");

/// What to do with providers.
#[derive(clap::Subcommand)]
pub(crate) enum Act {
    /// Begin a provider: its folder in core, its function, a first sample. Then list what it lacks
    New {
        /// Small letters and digits, such as moneta
        name: String,
    },
}

pub(crate) fn run(project: &Project, act: &Act) -> Result<u8> {
    let Act::New { name } = act;
    begin(&project.root, name)?;
    let mut command = project.cargo("fmt");
    command.args(["--package", "hookledger-core"]);
    Job::on_terminal("cargo fmt", FORMAT_LIMIT).succeed(command)?;
    // Its function is a package more, and everything here is built with `--locked`.
    let mut command = project.cargo("update");
    command.args(["--workspace", "--offline", "--quiet"]);
    Job::on_terminal("cargo update", FORMAT_LIMIT).succeed(command)?;
    let lacks = inventory::missing(&project.root, name);
    println!("{name} is begun, in shared/core/src/providers/{name}. It lets nothing in. It lacks:\n");
    for line in &lacks {
        println!("  {line}");
    }
    println!("\nEach is described in docs/add-a-provider.md; `cargo xtask check inventory` lists what is left.");
    Ok(0)
}

fn begin(root: &Path, name: &str) -> Result<()> {
    let plain = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit());
    ensure!(
        plain && name.len() <= MAX_NAME,
        "a provider's name has small letters and digits, a letter first, and at most {MAX_NAME} of them: {name}"
    );
    let list = root.join("shared/core/src/providers/mod.rs");
    let known = fs::read_to_string(&list).with_context(|| format!("{} can't be read", list.display()))?;
    let folders = [
        format!("shared/core/src/providers/{name}"),
        format!("shared/core/src/providers/{name}.rs"),
        format!("functions/{name}"),
        format!("events/{name}"),
    ];
    if let Some(taken) = folders.iter().find(|folder| root.join(folder).exists()) {
        bail!("{taken} is there already: nothing was written");
    }
    let listed = in_list(&known, name).context("shared/core/src/providers/mod.rs has no list of providers")?;
    let files = [
        (format!("shared/core/src/providers/{name}/mod.rs"), module(name)),
        (format!("functions/{name}/Cargo.toml"), manifest(name)),
        (format!("functions/{name}/src/main.rs"), main(name)),
        (format!("events/{name}/unknown-type.json"), "{\"type\": \"something.new\"}\n".to_owned()),
    ];
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap_or(root))?;
        fs::write(&path, text).with_context(|| format!("{} can't be written", path.display()))?;
    }
    fs::write(&list, listed).with_context(|| format!("{} can't be written", list.display()))
}

/// The list of providers with one more at its end.
fn in_list(list: &str, name: &str) -> Option<String> {
    let (before, _) = list.split_once("pub static ALL: &[Definition]")?;
    // Behind the last module of those before it.
    let last = before.rfind("\nmod ")? + 1;
    let modules = last + list.get(last..)?.find('\n')? + 1;
    let (before, behind) = list.split_at(modules);
    let with_module = format!("{before}mod {name};\n{behind}");
    let start = with_module.find("pub static ALL: &[Definition]")?;
    let end = start + with_module.get(start..)?.find("];")?;
    let (before, behind) = with_module.split_at(end);
    Some(format!("{before}, {name}::DEFINITION{behind}"))
}

fn module(name: &str) -> String {
    NEWCOMER
        .replace("newcomer", name)
        .replace("Newcomer", &inventory::capitalised(name))
        .replace("NEWCOMER", &name.to_uppercase())
}

fn manifest(name: &str) -> String {
    include_str!("provider/Cargo.toml.txt").replace("@name@", name)
}

fn main(name: &str) -> String {
    include_str!("provider/main.rs.txt").replace("@name@", name).replace("@Name@", &inventory::capitalised(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "mod finbox;\nmod runpayments;\n\npub static ALL: &[Definition] = &[a::DEFINITION];\n";

    fn workspace(name: &str) -> std::path::PathBuf {
        let root = std::env::temp_dir().join(format!("xtask-provider-{}-{name}", std::process::id()));
        let folder = root.join("shared/core/src/providers");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("mod.rs"), LIST).unwrap();
        root
    }

    #[test]
    fn a_provider_is_begun_once() {
        let root = workspace("once");
        begin(&root, "moneta").unwrap();
        let list = fs::read_to_string(root.join("shared/core/src/providers/mod.rs")).unwrap();
        let expected = "mod finbox;\nmod runpayments;\nmod moneta;\n\npub static ALL: &[Definition] = &[a::DEFINITION, moneta::DEFINITION];\n";
        assert_eq!(list, expected);
        let module = fs::read_to_string(root.join("shared/core/src/providers/moneta/mod.rs")).unwrap();
        assert!(module.contains("impl Provider for Moneta") && !module.to_lowercase().contains("newcomer"));
        syn::parse_file(&module).unwrap();
        let again = begin(&root, "moneta").unwrap_err().to_string();
        assert!(again.contains("is there already: nothing was written"), "{again}");
        fs::remove_dir_all(root).unwrap();
    }

    /// So what is begun compiles as long as they do.
    #[test]
    fn a_function_is_begun_as_the_others_are() {
        let functions = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../functions");
        for name in hookledger_kit::names() {
            let read = |file: &str| fs::read_to_string(functions.join(name).join(file)).unwrap();
            // Below the words at its top.
            let code = |text: &str| text.split_once("\n\n").unwrap().1.to_owned();
            assert_eq!(code(&main(name)), code(&read("src/main.rs")), "{name}");
            assert_eq!(manifest(name), read("Cargo.toml"), "{name}");
        }
    }

    #[test]
    fn a_name_that_is_none_is_refused() {
        let root = workspace("names");
        for name in ["", "Moneta", "1st", "mo-neta", "mo/neta", "..", &"m".repeat(21)] {
            let why = begin(&root, name).unwrap_err().to_string();
            assert!(why.contains("small letters and digits"), "{name}: {why}");
        }
        assert_eq!(fs::read_to_string(root.join("shared/core/src/providers/mod.rs")).unwrap(), LIST);
        fs::remove_dir_all(root).unwrap();
    }
}
