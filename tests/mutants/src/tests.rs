//! The table stays true to the sources, and the sources stay free of it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::mutant::{Edit, SWITCH};
use crate::table::all;
use crate::write::edited;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn every_edit_finds_its_place() {
    let mut texts = std::collections::BTreeMap::new();
    for (number, mutant) in all().iter().enumerate() {
        assert!(!mutant.edits.is_empty(), "{} changes nothing", mutant.name);
        for edit in mutant.edits {
            // One after the other, as they are written: two that overlap would not both find their text.
            let text = texts.entry(edit.file).or_insert_with(|| {
                std::fs::read_to_string(root().join(edit.file)).unwrap_or_else(|error| panic!("{}: {error}", edit.file))
            });
            assert!(edit.replace.contains(SWITCH), "{} is not switched in {}", mutant.name, edit.file);
            *text = edited(text, edit, number).unwrap_or_else(|why| panic!("{}: {why}", mutant.name));
        }
    }
}

#[test]
fn mutants_have_names_and_stories() {
    let mutants = all();
    let names: BTreeSet<&str> = mutants.iter().map(|mutant| mutant.name).collect();
    assert!(names.len() == mutants.len() && mutants.len() >= 20, "{names:?}");
    for mutant in &mutants {
        assert!(
            mutant.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-' || b.is_ascii_digit()),
            "{}",
            mutant.name
        );
        assert!(mutant.story.len() > 30 && mutant.story.ends_with(['.', ')']), "{}: {}", mutant.name, mutant.story);
    }
}

#[test]
fn a_text_that_is_not_there_once_is_told() {
    let edit = Edit { file: "tests/x.rs", find: "a", replace: "MUTANT" };
    assert_eq!(edited("bab", &edit, 3).as_deref(), Ok("bhookledger_core::mutant::is(3)b"));
    assert!(edited("b", &edit, 3).is_err_and(|why| why.contains("0 times")));
    assert!(edited("aa", &edit, 3).is_err_and(|why| why.contains("2 times")));
}

#[test]
fn what_ships_knows_no_mutant() {
    let mut read = 0;
    for folder in ["shared", "functions"] {
        each_file(&root().join(folder), &mut |path| {
            let text = std::fs::read_to_string(path).unwrap_or_default().to_lowercase();
            assert!(!text.contains("mutant"), "{} knows of the mutants", path.display());
            read += 1;
        });
    }
    assert!(read > 50, "only {read} files were read");
}

fn each_file(folder: &Path, look: &mut impl FnMut(&Path)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { each_file(&path, look) } else { look(&path) }
    }
}
