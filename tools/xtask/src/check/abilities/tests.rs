use super::*;

const SOURCE: &str =
    "#[test]\nfn it_works() {}\n\n#[tokio::test]\n/// Why.\nasync fn it_waits() {}\n\nfn a_helper() {}\n";

/// One row for each ability the code knows of, and one that it does not.
const GOOD: &str = "\
# Providers

| ability | One | Two Words |
|---|---|---|
| push received | works: [`it_works`](../tests/a.rs), [`it_waits`](../tests/a.rs) | works: [`it_works`](../tests/a.rs) |
| completion polled when the webhook is lost | works: [`it_works`](../tests/a.rs) | not offered: none (\"The Page\") |
| list walked for the unannounced | works: [`it_works`](../tests/a.rs) | not offered: none (https://x.example) |
| delivery audit walked | off by default: `ListIt`; [`it_works`](../tests/a.rs) | not offered: none (https://x.example) |
| submitted through us | works: [`it_works`](../tests/a.rs) | not offered: none ([page](https://x.example)) |
| set-up by command | works: [`it_works`](../tests/a.rs) | not offered: (odd) but true (\"The Page\") |

More text | with a bar.
";

/// What is found in this table, by a code in which `one` offers everything, the audit once it is turned on, and
/// `twowords` nothing.
fn findings(row: &str, text: &str) -> String {
    let root = std::env::temp_dir().join(format!("xtask-abilities-{}-{}", std::process::id(), row.replace(' ', "-")));
    fs::create_dir_all(root.join("tests")).unwrap();
    fs::create_dir_all(root.join("docs")).unwrap();
    fs::write(root.join("tests/a.rs"), SOURCE).unwrap();
    fs::write(root.join("template.yaml"), "Parameters:\n  ListIt:\n    Default: no\n\nGlobals:\n  Function:\n")
        .unwrap();
    let offers = |ability: &str, provider: &str| {
        let known = OFFERED.iter().any(|(name, _)| *name == ability);
        known.then_some(match (ability, provider) {
            (_, "twowords") => Some("it can't"),
            ("delivery audit walked", _) => Some("set LIST_IT to turn it on"),
            _ => None,
        })
    };
    let judge = Judge { root: &root, built_in: &["one", "twowords"], offers: &offers };
    let findings = judge.findings(text);
    fs::remove_dir_all(root).unwrap();
    findings.join("\n")
}

#[test]
fn the_projects_table_is_true() {
    check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap();
}

#[test]
fn a_true_table_passes() {
    assert_eq!(findings("good", GOOD), "");
}

#[test]
fn what_is_not_true_is_named() {
    let works = "works: [`it_works`](../tests/a.rs)";
    let rows: [(&str, &str, &str, &str); 17] = [
        ("a test that is gone", "[`it_waits`]", "[`it_waited`]", "push received, one: there is no test it_waited in"),
        ("a helper is no test", "[`it_waits`]", "[`a_helper`]", "push received, one: there is no test a_helper in"),
        (
            "a file that is gone",
            "`it_waits`](../tests/a.rs)",
            "`it_waits`](../tests/b.rs)",
            "no test it_waits in ../tests/b.rs",
        ),
        ("no test at all", &format!("{works}, [`it_waits`](../tests/a.rs)"), "works: surely", "one: it names no test"),
        ("a word of its own", "works: [`it_works`](../tests/a.rs), ", "nearly: ", "\"nearly\" is none of"),
        ("no source", "(\"The Page\") |\n| list", "(so it seems) |\n| list", "twowords: it names no source"),
        ("no such setting", "`ListIt`", "`WalkIt`", "\"WalkIt\" is no parameter"),
        ("a section is no setting", "`ListIt`", "`Function`", "\"Function\" is no parameter"),
        ("a setting without a test", "`ListIt`; [`it_works`](../tests/a.rs)", "`ListIt`", "one: it names no test"),
        (
            "offered, and denied",
            &format!("| submitted through us | {works}"),
            "| submitted through us | not offered: (\"A\")",
            "submitted through us, one: the code offers it",
        ),
        (
            "claimed, and not offered",
            "not offered: (odd) but true (\"The Page\")",
            works,
            "set-up by command, twowords: the code says that it is not offered: it can't",
        ),
        (
            "off, and yet on",
            "| submitted through us | works: ",
            "| submitted through us | off by default: `ListIt`; ",
            "submitted through us, one: the code offers it by default",
        ),
        (
            "on, and yet off",
            "off by default: `ListIt`; ",
            "works: ",
            "delivery audit walked, one: the code says that it is not offered: set LIST_IT",
        ),
        (
            "off for another reason",
            "| not offered: (odd) but true (\"The Page\")",
            "| off by default: `ListIt`; [`it_works`](../tests/a.rs)",
            "twowords: the code gives another reason than that setting: it can't",
        ),
        ("a provider without a column", "| One | Two Words |", "| One | One |", "twowords has 0 columns"),
        ("a row is missing", "| set-up by command |", "| set up |", "there is no row \"set-up by command\""),
        (
            "a cell is missing",
            " | not offered: (odd) but true (\"The Page\") |",
            " |",
            "set-up by command: 1 cells for 2 providers",
        ),
    ];
    for (row, from, to, expected) in rows {
        assert!(GOOD.contains(from), "{row}: nothing to break");
        let found = findings(row, &GOOD.replacen(from, to, 1));
        assert!(found.contains(expected), "{row}: {found}");
    }
    assert!(findings("no table", "# Providers\n").contains("has no table"));
}
