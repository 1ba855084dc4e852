//! The template of a package: ours, with zips beside it in the place of folders that a build fills.

use crate::ship::Arch;
use anyhow::{Result, ensure};

/// The lines of the parameter `Architecture` that a package decides.
const CHOICE: &str = "    Default: arm64\n    AllowedValues: [arm64, x86_64]\n";

/// The template for a folder with `<function>.zip` in it.
pub(super) fn packaged(template: &str, functions: &[String], arch: Arch) -> Result<String> {
    let mut text = template.to_owned();
    for function in functions {
        let (built, zip) = (format!("CodeUri: target/lambda/{function}/\n"), format!("CodeUri: {function}.zip\n"));
        ensure!(
            text.matches(&built).count() == 1,
            "template.yaml must have `{}` once, where {function} takes its code from",
            built.trim_end()
        );
        text = text.replace(&built, &zip);
    }
    ensure!(!text.contains("target/lambda"), "template.yaml takes code from target/lambda that no function built");
    ensure!(text.matches(CHOICE).count() == 1, "template.yaml lacks the default and the values of Architecture");
    let name = arch.name();
    Ok(text.replace(CHOICE, &format!("    Default: {name}\n    AllowedValues: [{name}]\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = "  Architecture:\n    Default: arm64\n    AllowedValues: [arm64, x86_64]\n\
                            Resources:\n      CodeUri: target/lambda/one/\n      CodeUri: target/lambda/two/\n";

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn code_comes_from_the_zips_and_only_for_their_processor() {
        let expected = "  Architecture:\n    Default: x86_64\n    AllowedValues: [x86_64]\n\
                        Resources:\n      CodeUri: one.zip\n      CodeUri: two.zip\n";
        assert_eq!(packaged(TEMPLATE, &names(&["one", "two"]), Arch::X86_64).unwrap(), expected);
    }

    #[test]
    fn a_function_without_code_and_code_without_a_function_are_named() {
        let error = |functions: &[&str]| packaged(TEMPLATE, &names(functions), Arch::Arm64).unwrap_err().to_string();
        assert!(error(&["one", "two", "three"]).contains("`CodeUri: target/lambda/three/` once"));
        assert!(error(&["one"]).contains("no function built"));
    }

    #[test]
    fn our_template_can_be_packaged() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let template = std::fs::read_to_string(root.join("template.yaml")).unwrap();
        let functions = std::fs::read_dir(root.join("functions")).unwrap();
        let functions: Vec<String> = functions.map(|one| one.unwrap().file_name().into_string().unwrap()).collect();
        let text = packaged(&template, &functions, Arch::Arm64).unwrap();
        assert_eq!(text.matches(".zip\n").count(), functions.len());
    }
}
