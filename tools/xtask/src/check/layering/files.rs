//! Which file of a crate names which other, and the circles in that.

use super::modules::{Module, Modules};
use proc_macro2::{TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use syn::visit::Visit;
use syn::{Item, Macro, Path, UseTree};

/// By module: the modules it names, each with one of the names that are taken from there.
pub(super) type Arrows = BTreeMap<String, BTreeMap<String, String>>;

/// Every arrow between the files of a crate.
pub(super) fn arrows(modules: &Modules) -> Arrows {
    let mut arrows = Arrows::new();
    for (name, module) in modules {
        let named = names_in(name, module, modules);
        arrows.insert(name.clone(), named);
    }
    arrows
}

fn names_in(name: &str, module: &Module, modules: &Modules) -> BTreeMap<String, String> {
    let mut names = Names::default();
    for item in &module.items {
        names.visit_item(item);
    }
    let resolved = names.0.iter().filter_map(|path| Some((resolve(name, path, modules)?, path.last()?.clone())));
    resolved.filter(|(target, _)| target != name).collect()
}

/// The module that a path leads to, if it is one of this crate's.
fn resolve(from: &str, path: &[String], modules: &Modules) -> Option<String> {
    let mut at: Vec<&str> = from.split("::").filter(|part| !part.is_empty()).collect();
    let mut rest = path.iter().map(String::as_str).peekable();
    match rest.peek().copied()? {
        "crate" => {
            at.clear();
            rest.next();
        }
        "self" => _ = rest.next(),
        "super" => {
            while rest.next_if_eq(&"super").is_some() {
                at.pop()?;
            }
        }
        first if modules.contains_key(&joined(&at, first)) => {}
        _ => return None,
    }
    for part in rest {
        if !modules.contains_key(&joined(&at, part)) {
            break;
        }
        at.push(part);
    }
    Some(at.join("::"))
}

fn joined(at: &[&str], part: &str) -> String {
    if at.is_empty() { part.to_owned() } else { format!("{}::{part}", at.join("::")) }
}

/// Every path that a file names.
#[derive(Default)]
struct Names(Vec<Vec<String>>);

impl Names {
    fn tree(&mut self, tree: &UseTree, before: &[String]) {
        let with = |name: String| before.iter().cloned().chain([name]).collect::<Vec<_>>();
        match tree {
            UseTree::Path(path) => self.tree(&path.tree, &with(path.ident.to_string())),
            UseTree::Name(name) => self.0.push(with(name.ident.to_string())),
            UseTree::Rename(name) => self.0.push(with(name.ident.to_string())),
            UseTree::Glob(_) => self.0.push(with("*".to_owned())),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(tree, before)),
        }
    }

    /// The paths in what a macro is given: words with `::` between them.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(word) => {
                    if colons != 2 {
                        self.end(&mut path);
                    }
                    path.push(word.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.end(&mut path);
                    self.tokens(group.stream());
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => self.end(&mut path),
            }
        }
        self.end(&mut path);
    }

    fn end(&mut self, path: &mut Vec<String>) {
        let path = std::mem::take(path);
        if path.len() > 1 {
            self.0.push(path);
        }
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item(&mut self, item: &'ast Item) {
        match item {
            Item::Use(item) => self.tree(&item.tree, &[]),
            Item::Mod(item) if super::modules::is_test(&item.attrs) => {}
            item => syn::visit::visit_item(self, item),
        }
    }

    fn visit_path(&mut self, path: &'ast Path) {
        if path.leading_colon.is_none() && path.segments.len() > 1 {
            self.0.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        }
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, of: &'ast Macro) {
        self.tokens(of.tokens.clone());
    }
}

/// The groups of files that all reach each other, each shown by one shortest way round.
pub(super) fn circles(arrows: &Arrows) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for start in arrows.keys() {
        if seen.contains(start) {
            continue;
        }
        let from_here = reached(arrows, start);
        let group: BTreeSet<&String> =
            from_here.iter().filter(|other| *other == start || reached(arrows, other).contains(start)).collect();
        seen.extend(group.iter().map(|module| (*module).clone()));
        if from_here.contains(start) {
            found.extend(way_round(arrows, start));
        }
    }
    found
}

/// What can be reached from a module; itself only if a circle leads back.
fn reached(arrows: &Arrows, start: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![start.to_owned()];
    while let Some(at) = open.pop() {
        for next in arrows.get(&at).into_iter().flat_map(BTreeMap::keys) {
            if reached.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    reached
}

fn way_round(arrows: &Arrows, start: &str) -> Option<Vec<String>> {
    let mut open = std::collections::VecDeque::from([vec![start.to_owned()]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = open.pop_front() {
        for next in arrows.get(way.last()?).into_iter().flat_map(BTreeMap::keys) {
            let further: Vec<String> = way.iter().chain([next]).cloned().collect();
            if next == start {
                return Some(further);
            }
            if seen.insert(next.clone()) {
                open.push_back(further);
            }
        }
    }
    None
}
