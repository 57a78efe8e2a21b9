//! Every example runs, and its figures depend on the seed alone.
//!
//! The folder is read, so that an example is covered from the day it is there.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Map, Value};

/// The names of the examples of this package, but for the one whose figures are times.
fn names() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let entries = fs::read_dir(&folder).expect("the folder of the examples can be read");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry of the folder can be read").path())
        .filter(|path| {
            path.extension().is_some_and(|extension| extension == "rs") || path.join("main.rs").exists()
        })
        .map(|path| path.file_stem().expect("a file has a name").to_string_lossy().into_owned())
        .filter(|name| name != "step_times")
        .collect();
    names.sort();
    assert!(!names.is_empty(), "there is no example in {}", folder.display());
    names
}

/// The binary that `cargo test` has built beside this one: `<target>/<profile>/examples/<name>`.
fn binary(name: &str) -> PathBuf {
    let this = env::current_exe().expect("a test knows where it is");
    let profile = this.parent().and_then(Path::parent).expect("a test lies in <target>/<profile>/deps");
    let path = profile.join("examples").join(format!("{name}{}", env::consts::EXE_SUFFIX));
    let hint = "run `cargo test` without `--test`, or `cargo build --examples`";
    assert!(path.exists(), "the example is not built at {}: {hint}", path.display());
    path
}

/// A folder of its own for one test.
fn folder(test: &str) -> PathBuf {
    let folder = env::temp_dir().join(format!("ed-examples-{}-{test}", std::process::id()));
    fs::create_dir_all(&folder).expect("a temporary folder can be made");
    folder
}

fn run(name: &str, folder: &Path, arguments: &[&str]) -> Output {
    Command::new(binary(name)).args(arguments).current_dir(folder).output().expect("an example starts")
}

/// The figures of a quick run, without its duration.
fn figures(name: &str, folder: &Path, file: &str) -> Map<String, Value> {
    let output = run(name, folder, &["--quick", "--seed", "0", "--json", file]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} failed: {said}");
    assert!(!output.stdout.is_empty(), "{name} prints nothing");
    let text = fs::read_to_string(folder.join(file)).expect("the figures were written");
    let mut figures: Map<String, Value> =
        serde_json::from_str(&text).expect("the figures are one JSON object");
    for (figure, value) in &figures {
        assert!(value.as_f64().is_some_and(f64::is_finite), "{name}: {figure} is {value}");
    }
    assert!(figures.remove("seconds").is_some(), "{name} does not say how long it took");
    assert!(!figures.is_empty(), "{name} reports no figure");
    figures
}

#[test]
fn every_example_reports_finite_figures_that_depend_on_the_seed_alone() {
    let folder = folder("figures");
    for name in names() {
        assert_eq!(figures(&name, &folder, "a/one.json"), figures(&name, &folder, "a/two.json"), "{name}");
        let written: Vec<_> = fs::read_dir(folder.join("a")).expect("the folder was made").collect();
        assert_eq!(written.len(), 2, "{name} leaves files beside its figures");
    }
    fs::remove_dir_all(folder).expect("a temporary folder can be removed");
}

#[test]
fn every_example_explains_itself() {
    let folder = folder("help");
    for name in names() {
        let output = run(&name, &folder, &["--help"]);
        assert!(output.status.success(), "{name}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("--seed"), "{name}");
    }
    fs::remove_dir_all(folder).expect("a temporary folder can be removed");
}

#[test]
fn a_wrong_command_line_gives_a_sentence_and_exit_code_2() {
    let folder = folder("refusals");
    for name in names() {
        for (arguments, sentence) in [
            (&["--sead", "1"][..], "there is no option `--sead`."),
            (&["--seed", "-1"], "the seed must be a whole number from 0 on, got `-1`."),
            (&["--json"], "the option `--json` needs a file after it."),
        ] {
            let output = run(&name, &folder, arguments);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(2), "{name} {arguments:?}: {said}");
            assert!(said.starts_with(sentence), "{name} {arguments:?}: {said}");
            assert!(output.stdout.is_empty(), "{name} {arguments:?}");
        }
    }
    fs::remove_dir_all(folder).expect("a temporary folder can be removed");
}

#[test]
fn figures_that_cannot_be_written_are_a_failure_that_names_the_file() {
    let folder = folder("unwritable");
    fs::write(folder.join("file"), "").expect("a file can be written");
    let output = run(&names()[0], &folder, &["--quick", "--json", "file/figures.json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("file/figures.json"));
    fs::remove_dir_all(folder).expect("a temporary folder can be removed");
}
