//! Two classic tables: one to classify, one to regress.

use super::dataset::Dataset;

static BREAST_CANCER: &[u8] = include_bytes!("breast_cancer.bin");
static DIABETES: &str = include_str!("diabetes.csv");

/// Breast Cancer Wisconsin (Diagnostic): thirty measurements of cell nuclei; target 1 benign, 0 malignant.
///
/// ```
/// let data = ed_core::data::breast_cancer();
/// assert_eq!((data.num_rows, data.num_features), (569, 30));
/// assert_eq!(data.row(0)?[0], 17.99);
/// # Ok::<(), ed_core::data::DataError>(())
/// ```
pub fn breast_cancer() -> Dataset {
    const NUM_ROWS: usize = 569;
    const NUM_FEATURES: usize = 30;
    const MEASUREMENTS: [&str; 10] = [
        "radius",
        "texture",
        "perimeter",
        "area",
        "smoothness",
        "compactness",
        "concavity",
        "concave points",
        "symmetry",
        "fractal dimension",
    ];
    let (features, target) = BREAST_CANCER.split_at(NUM_ROWS * NUM_FEATURES * 4);
    let names = |of: fn(&str) -> String| MEASUREMENTS.iter().map(move |name| of(name));
    Dataset {
        features: features.chunks_exact(4).map(published).collect(),
        target: target.iter().map(|&class| class.into()).collect(),
        num_rows: NUM_ROWS,
        num_features: NUM_FEATURES,
        feature_names: names(|name| format!("mean {name}"))
            .chain(names(|name| format!("{name} error")))
            .chain(names(|name| format!("worst {name}")))
            .collect(),
    }
}

/// The published decimal behind a stored `f32`: its shortest decimal, not its widened bits.
fn published(bytes: &[u8]) -> f64 {
    let stored = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    stored.to_string().parse().unwrap_or(f64::from(stored))
}

/// Diabetes: ten baseline measurements in their own units (age in years, sex as 1 and 2, body mass index in kg/m²,
/// mean blood pressure, six blood serum values); target: disease progression after one year, 25–346.
///
/// ```
/// let data = ed_core::data::diabetes();
/// assert_eq!((data.num_rows, data.num_features), (442, 10));
/// assert_eq!(data.target[0], 151.0);
/// ```
pub fn diabetes() -> Dataset {
    let mut lines = DIABETES.lines();
    let mut names: Vec<String> = lines.next().unwrap_or_default().split(',').map(str::to_owned).collect();
    names.pop();
    let mut features = Vec::new();
    let mut target = Vec::new();
    for line in lines {
        let mut row: Vec<f64> = line.split(',').flat_map(str::parse).collect();
        target.extend(row.pop());
        features.extend(row);
    }
    Dataset { features, num_rows: target.len(), num_features: names.len(), target, feature_names: names }
}
