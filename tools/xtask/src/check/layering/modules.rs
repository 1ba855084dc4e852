//! The modules of a crate, as its `mod` lines name them, and the source of each.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use syn::{Attribute, Expr, ExprLit, Item, Lit, Meta};

/// A file that is a module.
pub(super) struct Module {
    pub(super) file: PathBuf,
    /// What is in it, without what is for its own tests.
    pub(super) items: Vec<Item>,
}

/// All modules of a crate by their path, `flows::work`; the root's is empty.
pub(super) type Modules = BTreeMap<String, Module>;

/// Reads a crate from its root file on.
pub(super) fn read(root: &Path) -> Result<Modules> {
    let mut modules = Modules::new();
    let mut open = vec![(String::new(), root.to_path_buf(), true)];
    while let Some((name, file, owns_its_folder)) = open.pop() {
        let text = fs::read_to_string(&file).with_context(|| format!("{} can't be read", file.display()))?;
        let mut items =
            syn::parse_file(&text).with_context(|| format!("{} is no Rust that this reads", file.display()))?.items;
        items.retain(|item| !is_test(attributes(item)));
        for item in &items {
            let Item::Mod(child) = item else { continue };
            if child.content.is_some() {
                continue;
            }
            let called = child.ident.to_string();
            let folder = file.parent().unwrap_or(root);
            let path = if name.is_empty() { called.clone() } else { format!("{name}::{called}") };
            let stem = file.file_stem().unwrap_or_default();
            let below = if owns_its_folder { folder.to_path_buf() } else { folder.join(stem) };
            let (file, owns) = match path_of(&child.attrs) {
                Some(given) => (folder.join(&given), given.ends_with("mod.rs")),
                None => {
                    let (plain, folder) = (below.join(format!("{called}.rs")), below.join(&called).join("mod.rs"));
                    if plain.is_file() { (plain, false) } else { (folder, true) }
                }
            };
            open.push((path, file, owns));
        }
        modules.insert(name, Module { file, items });
    }
    Ok(modules)
}

/// What `#[path = "…"]` says.
fn path_of(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    })
}

/// Whether it is for tests alone.
pub(super) fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => list.tokens.to_string() == "test",
        _ => false,
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
