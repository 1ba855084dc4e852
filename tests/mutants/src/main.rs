//! `mutate <root> <folder>`: writes the workspace of the mutants of the workspace at `root` into `folder`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [root, folder] = arguments.as_slice() else {
        eprintln!("usage: mutate <root of the workspace> <folder to write to>");
        return ExitCode::from(2);
    };
    match hookledger_mutants::write(root.as_ref(), folder.as_ref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
