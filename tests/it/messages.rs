//! What the compiler says to the mistakes that everybody makes.
//!
//! Each program in `tests/ui` must not compile, and says in lines `// says: …` what the compiler must answer. It is
//! compiled against the library that this test is linked with, so that nothing is built twice.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The newest build of the library beside this test.
fn library() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let built = |entry: &fs::DirEntry| entry.metadata().and_then(|data| data.modified()).unwrap();
    let is_library = |entry: &fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap_or_default();
        name.starts_with("libed-") && name.ends_with(".rlib")
    };
    let folder = fs::read_dir(test.parent().unwrap()).unwrap();
    folder.flatten().filter(is_library).max_by_key(built).expect("the library beside its test").path()
}

/// What the compiler says to a program.
fn answer(program: &Path, library: &Path) -> (bool, String) {
    let metadata = std::env::temp_dir().join(format!("ed-ui-{}.rmeta", std::process::id()));
    let output = Command::new(std::env::var("RUSTC").unwrap_or("rustc".into()))
        .args(["--edition=2024", "--emit=metadata", "--diagnostic-width=140", "-o"])
        .arg(&metadata)
        .arg(format!("--extern=ed={}", library.display()))
        .arg(format!("-Ldependency={}", library.parent().unwrap().display()))
        .arg(program)
        .output()
        .unwrap();
    fs::remove_file(metadata).ok();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn mistakes_are_explained_where_they_are_made() {
    let library = library();
    let mut programs: Vec<PathBuf> =
        fs::read_dir("tests/ui").unwrap().flatten().map(|entry| entry.path()).collect();
    programs.sort();
    assert!(programs.len() >= 5, "{programs:?}");
    let mut faults = String::new();
    for program in programs {
        let text = fs::read_to_string(&program).unwrap();
        let expected: Vec<&str> =
            text.lines().filter_map(|line| line.trim().strip_prefix("// says: ")).collect();
        let (compiles, said) = answer(&program, &library);
        let missing: Vec<&&str> = expected.iter().filter(|sentence| !said.contains(**sentence)).collect();
        if compiles || expected.is_empty() || !missing.is_empty() {
            faults += &format!("{}: lacks {missing:#?} in\n{said}\n", program.display());
        }
    }
    assert!(faults.is_empty(), "{faults}");
}
