//! The sample events of `events/`, each as its provider would send it: built in, so that a person who has the command alone
//! can try a stack with them.

/// One event: the provider's name, the sample's, the body.
pub(crate) type Sample = (&'static str, &'static str, &'static [u8]);

/// All of them, in the order of their names; `build.rs` makes the list.
pub(crate) const SAMPLES: &[Sample] = include!(concat!(env!("OUT_DIR"), "/samples.rs"));

/// The sample of this name.
pub(crate) fn named(provider: &str, name: &str) -> Option<&'static [u8]> {
    SAMPLES.iter().find(|(of, is, _)| *of == provider && *is == name).map(|(.., body)| *body)
}

/// The names of a provider's samples.
pub(crate) fn names(provider: &str) -> impl Iterator<Item = &'static str> {
    SAMPLES.iter().filter(move |(of, ..)| *of == provider).map(|(_, name, _)| *name)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_is_built_in_and_no_other() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events");
        let mut files = Vec::new();
        for definition in hookledger_core::providers::ALL {
            for file in std::fs::read_dir(root.join(definition.id.0)).unwrap() {
                let path = file.unwrap().path();
                files.push((definition.id.0, path.file_stem().unwrap().to_str().unwrap().to_string()));
            }
        }
        files.sort();
        let built_in: Vec<(&str, String)> = SAMPLES.iter().map(|(of, name, _)| (*of, name.to_string())).collect();
        assert_eq!(built_in, files);
        assert!(named("fynapse", "balance-extracted").is_some_and(|body| body.starts_with(b"{")));
    }
}
