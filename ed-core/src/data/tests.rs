//! The embedded copies against scikit-learn's.

use super::*;
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("../../../tests/golden/data.json")).unwrap()
}

#[track_caller]
fn assert_facts(facts: &Value, features: &[f64], target: &[f64]) {
    let shape: [usize; 2] = serde_json::from_value(facts["shape"].clone()).unwrap();
    assert_eq!([target.len(), features.len() / target.len()], shape);
    let scale = Standardiser::fit(features, shape[1]).unwrap();
    let close = |ours: f64, golden: f64| (ours - golden).abs() <= 1e-10 * golden.abs().max(1.0);
    for column in 0..shape[1] {
        assert!(close(scale.mean()[column], facts["column_means"][column].as_f64().unwrap()));
        let sd = facts["column_sds"][column].as_f64().unwrap();
        assert!(close(scale.sd()[column], if sd > 0.0 { sd } else { 1.0 }));
    }
    assert_eq!(target.iter().sum::<f64>(), facts["target_sum"].as_f64().unwrap());
    let weigh = |values: &[f64], wave: fn(f64) -> f64| -> f64 {
        values.iter().enumerate().map(|(i, x)| x * wave(i as f64)).sum()
    };
    let fingerprint = weigh(features, f64::cos) + weigh(target, f64::sin);
    let expected = facts["fingerprint"].as_f64().unwrap();
    assert!((fingerprint - expected).abs() < 1e-6, "{fingerprint} against {expected}");
}

#[test]
fn digits_are_scikit_learns() {
    let digits = digits();
    let pixels: Vec<f64> = digits.images.iter().map(|&x| f64::from(x) * 16.0).collect();
    let labels: Vec<f64> = digits.labels.iter().map(|&label| label.into()).collect();
    assert_facts(&golden()["digits"], &pixels, &labels);
}

#[test]
fn tables_are_scikit_learns() {
    let cancer = breast_cancer();
    assert_facts(&golden()["breast_cancer"], &cancer.features, &cancer.target);
    let names: Vec<String> = serde_json::from_value(golden()["breast_cancer_names"].clone()).unwrap();
    assert_eq!(cancer.feature_names, names);
    let diabetes = diabetes();
    assert_facts(&golden()["diabetes"], &diabetes.features, &diabetes.target);
    assert_eq!(diabetes.feature_names.len(), 10);
}

#[test]
fn splits_keep_rows_with_their_targets() {
    let data = breast_cancer();
    let (train, test) = data.split(0.3, 4).unwrap();
    assert_eq!(train.num_rows + test.num_rows, data.num_rows);
    for part in [&train, &test] {
        for row in 0..part.num_rows {
            let found = (0..data.num_rows).find(|&i| data.row(i).unwrap() == part.row(row).unwrap()).unwrap();
            assert_eq!(part.target[row], data.target[found]);
        }
    }
    let (train, test) = digits().split(0.2, 0).unwrap();
    assert_eq!((train.num_rows, test.num_rows), (1438, 359));
    assert_eq!((train.images.len(), test.labels.len()), (1438 * 64, 359));
}

#[test]
fn standardising_uses_training_rows_and_inverts() {
    let rows = [1.0, 5.0, 3.0, 5.0];
    let scale = Standardiser::fit(&rows, 2).unwrap();
    let scaled = scale.apply(&[2.0, 6.0]).unwrap();
    assert_eq!(scaled, [0.0, 1.0], "a constant column is only centred");
    assert_eq!(scale.invert(&scaled).unwrap(), [2.0, 6.0]);
    assert!(scale.apply(&[1.0]).is_err());
    assert!(Standardiser::fit(&rows, 3).is_err() && Standardiser::fit(&[], 2).is_err());
    assert!(breast_cancer().standardised(&diabetes()).is_err());
}

#[test]
fn eight_schools_are_rubins() {
    let schools = eight_schools();
    assert_eq!(schools.effects.iter().sum::<f64>(), 70.0);
    assert_eq!(schools.standard_errors.iter().sum::<f64>(), 100.0);
}
