//! Every file of a folder with a table has its row: a new class cannot be forgotten.

use std::fs;
use std::path::Path;

/// Files of `ed-core/src/distributions` that are not distributions.
const NOT_DISTRIBUTIONS: &[&str] =
    &["cdf", "chance", "distribution", "erased", "kl", "mod", "normal_mass", "param", "univariate"];

#[test]
fn every_distribution_has_a_row_in_the_laws() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tables: String = [
        "multivariate_normal.rs",
        "subjects.rs",
        "transformed.rs",
        "mixtures.rs",
        "mixture_logistic.rs",
        "vectors.rs",
        "wrappers.rs",
    ]
    .iter()
    .filter_map(|file| fs::read_to_string(root.join("tests/it/distributions").join(file)).ok())
    .collect();
    for entry in fs::read_dir(root.join("ed-core/src/distributions")).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if NOT_DISTRIBUTIONS.contains(&stem.as_str()) {
            continue;
        }
        let name: String = stem.split('_').map(|word| word[..1].to_uppercase() + &word[1..]).collect();
        assert!(tables.contains(&format!("{name}::")), "{name} ({}) has no row", path.display());
    }
}
