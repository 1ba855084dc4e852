//! What a binary must be before it is deployed: for the right processor, startable on Lambda's Amazon Linux, unwinding
//! when it panics, and without a word about the machine that built it.

use crate::ship::Arch;
use anyhow::{Context, Result};
use object::read::elf::{ElfFile64, FileHeader};
use object::{Endianness, Object, ObjectSection, elf};
use std::path::PathBuf;

/// The C library of `provided.al2023`, which is Amazon Linux 2023.
pub(super) const GLIBC: (u32, u32) = (2, 34);
/// What only the part of Rust's library says that unwinds. Where the profile says `abort`, another part is linked, and
/// nothing refers to this text any longer.
const UNWINDING_RUNTIME: &[u8] = b"Rust panics must be rethrown";
/// The sections that tell how to unwind a frame, and where in a function to go on. Rust's library fills them in a program
/// that aborts too, so that they are there proves nothing; where one is missing, nothing can unwind.
const UNWINDING_SECTIONS: [&str; 2] = [".eh_frame", ".gcc_except_table"];

/// A version of the C library that a binary asks for.
#[derive(Debug, PartialEq, Eq)]
struct Need {
    /// As the binary names it: `GLIBC_2.34`.
    version: String,
    /// The symbols it is for.
    symbols: Vec<String>,
}

/// What speaks against a binary, one finding a line: what is wrong, the rule, and what to do.
pub(super) fn findings(bytes: &[u8], arch: Arch, machine_paths: &[PathBuf]) -> Result<Vec<String>> {
    let file = ElfFile64::<Endianness>::parse(bytes).context("it is no 64-bit ELF file")?;
    let mut found = Vec::new();
    found.extend(wrong_processor(&file, arch));
    found.extend(too_new(&needs(&file)?));
    found.extend(aborts(&file, bytes));
    found.extend(told_paths(bytes, machine_paths));
    Ok(found)
}

fn wrong_processor(file: &ElfFile64<'_>, arch: Arch) -> Option<String> {
    let wanted = match arch {
        Arch::Arm64 => elf::EM_AARCH64,
        Arch::X86_64 => elf::EM_X86_64,
    };
    let found = file.elf_header().e_machine(file.endian());
    (found != wanted).then(|| {
        format!(
            "it is for another processor (ELF machine {}), and would not start on {}; build it with cargo xtask package",
            found.0,
            arch.name()
        )
    })
}

/// The versions that the loader will look for, each with the symbols it is for.
fn needs(file: &ElfFile64<'_>) -> Result<Vec<Need>> {
    let (endian, data, sections) = (file.endian(), file.data(), file.elf_section_table());
    let mut found: Vec<Need> = Vec::new();
    let Some((mut libraries, strings)) = sections.gnu_verneed(endian, data)? else { return Ok(found) };
    let strings = sections.strings(endian, data, strings)?;
    while let Some((_, mut versions)) = libraries.next()? {
        while let Some(version) = versions.next()? {
            let version = String::from_utf8_lossy(version.name(endian, strings)?).into_owned();
            found.push(Need { version, symbols: Vec::new() });
        }
    }
    let Some(versions) = sections.versions(endian, data)? else { return Ok(found) };
    let symbols = file.elf_dynamic_symbol_table();
    for (index, symbol) in symbols.enumerate() {
        let Some(version) = versions.version(versions.version_index(endian, index).index())? else { continue };
        let need = found.iter_mut().find(|need| need.version.as_bytes() == version.name());
        let name = String::from_utf8_lossy(symbols.symbol_name(endian, symbol)?);
        if let Some(need) = need {
            need.symbols.push(name.into_owned());
        }
    }
    Ok(found)
}

fn too_new(needs: &[Need]) -> Vec<String> {
    let (major, minor) = GLIBC;
    let newer = needs.iter().filter(|need| glibc(&need.version).is_some_and(|version| version > GLIBC));
    let told = newer.map(|need| {
        format!(
            "it needs {} for {}; Lambda's provided.al2023 has GLIBC {major}.{minor} and would not start it; build it \
             with zig, as cargo xtask package does",
            need.version,
            need.symbols.join(", ")
        )
    });
    told.collect()
}

/// The numbers of `GLIBC_2.2.5`, the first two of them. `GLIBC_PRIVATE`, which no program may use, is newer than any.
fn glibc(version: &str) -> Option<(u32, u32)> {
    let numbers = version.strip_prefix("GLIBC_")?;
    let mut parts = numbers.split('.').map(|part| part.parse().ok());
    Some((parts.next().flatten().unwrap_or(u32::MAX), parts.next().flatten().unwrap_or(0)))
}

fn aborts(file: &ElfFile64<'_>, bytes: &[u8]) -> Option<String> {
    let filled = |name: &str| file.section_by_name(name).is_some_and(|section| section.size() > 0);
    let missing = UNWINDING_SECTIONS.iter().find(|name| !filled(name)).map(|name| format!("no section {name}"));
    let runtime =
        || (!holds(bytes, UNWINDING_RUNTIME)).then(|| "not the part of Rust's library that unwinds".to_owned());
    missing.or_else(runtime).map(|missing| {
        format!(
            "it has {missing}; a panic has to be caught and answered 503, and here it would end the function; write \
             panic = \"unwind\" into [profile.release] of Cargo.toml"
        )
    })
}

fn told_paths(bytes: &[u8], machine_paths: &[PathBuf]) -> Vec<String> {
    let told = machine_paths.iter().filter(|path| holds(bytes, path.as_os_str().as_encoded_bytes()));
    let finding = |path: &PathBuf| {
        format!(
            "it names {}, a folder of this machine, and so is another binary on the next; remap the path in \
             tools/xtask/src/ship.rs",
            path.display()
        )
    };
    told.map(finding).collect()
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_the_c_library_compare_as_numbers() {
        let rows = [
            ("GLIBC_2.2.5", Some((2, 2))),
            ("GLIBC_2.34", Some((2, 34))),
            ("GLIBC_2.9", Some((2, 9))),
            ("GLIBC_PRIVATE", Some((u32::MAX, 0))),
            ("GCC_3.0", None),
            ("", None),
        ];
        for (version, expected) in rows {
            assert_eq!(glibc(version), expected, "{version}");
        }
    }

    #[test]
    fn a_symbol_that_is_too_new_is_named_with_the_rule() {
        let need = |version: &str, symbol: &str| Need { version: version.into(), symbols: vec![symbol.into()] };
        let fine =
            [need("GLIBC_2.34", "pthread_create"), need("GLIBC_2.9", "pipe2"), need("GCC_4.2.0", "_Unwind_Resume")];
        assert_eq!(too_new(&fine), Vec::<String>::new());
        for version in ["GLIBC_2.35", "GLIBC_3.0", "GLIBC_PRIVATE"] {
            let found = too_new(&[need(version, "strlcpy")]);
            assert_eq!(found.len(), 1, "{version}");
            assert!(found[0].starts_with(&format!("it needs {version} for strlcpy; Lambda's")), "{}", found[0]);
        }
    }

    #[test]
    fn what_is_no_binary_is_an_error() {
        for bytes in [&b""[..], b"#!/bin/sh\n", b"\x7fELF\x02\x01\x01"] {
            assert!(findings(bytes, Arch::X86_64, &[]).is_err(), "{bytes:?}");
        }
    }

    /// These tests themselves are a binary that unwinds.
    #[cfg(target_os = "linux")]
    mod this_binary {
        use super::*;

        fn this() -> Vec<u8> {
            std::fs::read(std::env::current_exe().unwrap()).unwrap()
        }

        #[test]
        fn its_needs_are_read() {
            let bytes = this();
            let needs = needs(&ElfFile64::<Endianness>::parse(&*bytes).unwrap()).unwrap();
            let known = |need: &Need| need.version.starts_with("GLIBC_2.") && !need.symbols.is_empty();
            assert!(needs.iter().any(known), "{needs:?}");
        }

        #[test]
        fn it_unwinds_and_without_the_unwinding_runtime_it_would_not() {
            let mut bytes = this();
            let finding = |bytes: &[u8]| aborts(&ElfFile64::<Endianness>::parse(bytes).unwrap(), bytes);
            assert_eq!(finding(&bytes), None);
            let places: Vec<usize> =
                (0..bytes.len()).filter(|at| bytes[*at..].starts_with(UNWINDING_RUNTIME)).collect();
            for at in places {
                bytes[at] = b'x';
            }
            assert!(finding(&bytes).unwrap().contains("not the part of Rust's library that unwinds"));
        }

        #[test]
        fn another_processor_and_a_path_are_named() {
            let bytes = this();
            let arch = Arch::of(std::env::consts::ARCH);
            let other = if arch == Arch::Arm64 { Arch::X86_64 } else { Arch::Arm64 };
            let found = findings(&bytes, other, &[PathBuf::from("Rust panics must be")]).unwrap().join("\n");
            assert!(found.contains("it is for another processor") && found.contains("it names Rust panics"), "{found}");
        }
    }
}
