//! Scores of predictions against scikit-learn, torchmetrics and SciPy, and what they refuse.

use super::calibration::Predictions;
use super::*;
use serde_json::Value;

fn goldens() -> Value {
    serde_json::from_str(include_str!("../../../tests/golden/calibration.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    match value.as_array() {
        Some(items) => items.iter().flat_map(numbers).collect(),
        None => vec![value.as_f64().unwrap()],
    }
}

#[track_caller]
fn assert_close(ours: f64, golden: f64, tolerance: f64) {
    assert!((ours - golden).abs() <= tolerance * golden.abs().max(1.0), "{ours} against {golden}");
}

#[test]
fn classification_scores_agree_with_scikit_learn_and_torchmetrics() {
    for case in goldens()["classification"].as_array().unwrap() {
        let labels: Vec<usize> = serde_json::from_value(case["labels"].clone()).unwrap();
        let predictions = Predictions::new(&numbers(&case["probs"]), &labels).unwrap();
        let golden = |key: &str| case[key].as_f64().unwrap();
        assert_close(predictions.accuracy(), golden("accuracy"), 1e-12);
        assert_close(predictions.nll(), golden("nll"), 1e-12);
        assert_close(predictions.brier(), golden("brier"), 1e-12);
        assert_close(predictions.adaptive_ece(), golden("adaptive_ece"), 1e-12);
        // torchmetrics sums in f32.
        assert_close(predictions.ece(), golden("ece"), 1e-6);
    }
}

#[test]
fn area_under_the_curve_agrees_with_scikit_learn() {
    for case in goldens()["separation"].as_array().unwrap() {
        let ours = auroc(&numbers(&case["positives"]), &numbers(&case["negatives"])).unwrap();
        assert_close(ours, case["auroc"].as_f64().unwrap(), 1e-12);
    }
}

#[test]
fn entropy_split_agrees_with_scipy() {
    for case in goldens()["entropy"].as_array().unwrap() {
        let size = |key: &str| case[key].as_u64().unwrap() as usize;
        let splits =
            entropy_split(&numbers(&case["probs"]), size("num_samples"), size("num_classes")).unwrap();
        for (key, ours) in [
            ("predictive", splits.iter().map(|s| s.predictive).collect::<Vec<f64>>()),
            ("aleatoric", splits.iter().map(|s| s.aleatoric).collect()),
            ("epistemic", splits.iter().map(|s| s.epistemic).collect()),
        ] {
            let golden = numbers(&case[key]);
            assert_eq!(ours.len(), golden.len());
            ours.into_iter().zip(golden).for_each(|(ours, golden)| assert_close(ours, golden, 1e-12));
        }
    }
}

#[test]
fn regression_scores_agree_with_scipy() {
    for case in goldens()["regression"].as_array().unwrap() {
        let (loc, scale, targets) =
            (numbers(&case["loc"]), numbers(&case["scale"]), numbers(&case["targets"]));
        let n = targets.len();
        let golden = |key: &str| case[key].as_f64().unwrap();
        assert_close(rmse(&loc[..n], &targets).unwrap(), golden("rmse_first"), 1e-12);
        let single = gaussian_log_likelihood(&loc[..n], &scale[..n], &targets).unwrap();
        assert_close(single, golden("gaussian_first"), 1e-12);
        assert_close(mixture_log_likelihood(&loc, &scale, &targets).unwrap(), golden("mixture"), 1e-12);
    }
}

#[test]
fn bins_count_every_prediction_once_and_hold_their_upper_edge() {
    let probs = [0.5, 0.5, 0.6, 0.4, 1.0, 0.0, 0.9, 0.1];
    let bins = Predictions::new(&probs, &[0_usize, 1, 0, 0]).unwrap().reliability(10);
    let counts: Vec<usize> = bins.iter().map(|bin| bin.count).collect();
    assert_eq!(counts, [0, 0, 0, 0, 1, 1, 0, 0, 1, 1]);
    assert!(bins[0].accuracy.is_nan() && bins[5].accuracy == 0.0 && bins[9].confidence == 1.0);
}

#[test]
fn a_label_of_probability_zero_costs_infinitely() {
    assert_eq!(Predictions::new(&[1.0_f32, 0.0], &[1_u8]).unwrap().nll(), f64::INFINITY);
}

#[test]
fn refuses_rows_that_are_not_distributions() {
    let refused = |probs: &[f64], labels: &[usize]| Predictions::new(probs, labels).unwrap_err().to_string();
    assert_eq!(refused(&[], &[]), "expected at least one of labels, got none");
    assert!(refused(&[], &[0]).contains("rows of probabilities"));
    assert!(refused(&[0.5; 5], &[0, 0]).contains("got 5"));
    assert!(refused(&[1.0; 6], &[0; 4]).contains("got 6"));
    assert_eq!(
        refused(&[0.5, 0.6], &[0]),
        "row 0 must be a distribution over the classes (sum one), got sum 1.1"
    );
    assert_eq!(refused(&[0.5, f64::NAN], &[0]), "probability 1 must be in [0, 1], got NaN");
    assert_eq!(
        refused(&[0.5, 0.5], &[2]),
        "label 0 must be below the number of classes, got 2 with 2 classes"
    );
    assert!(entropy_split(&[0.5; 6], 2, 2).is_err());
    assert!(entropy_split(&[0.5; 4], 0, 2).is_err());
    assert!(entropy_split(&[0.5; 4], 1, 0).is_err());
}

#[test]
fn refuses_scores_and_targets_that_do_not_fit() {
    assert!(auroc(&[], &[1.0]).is_err());
    assert!(auroc(&[f64::NAN], &[1.0]).is_err());
    assert!(rmse(&[], &[]).is_err());
    assert!(rmse(&[1.0], &[1.0, 2.0]).is_err());
    assert!(gaussian_log_likelihood(&[0.0, 0.0], &[1.0, 1.0], &[0.0]).is_err());
    assert!(mixture_log_likelihood(&[0.0; 3], &[1.0; 3], &[0.0; 2]).is_err());
    assert!(mixture_log_likelihood(&[0.0], &[0.0], &[0.0]).is_err());
    assert!(mixture_log_likelihood(&[], &[], &[]).is_err());
    assert!(log_mean_exp(&[f64::NAN], 1).is_err());
    assert_eq!(log_mean_exp(&[f64::NEG_INFINITY; 2], 1).unwrap(), [f64::NEG_INFINITY]);
    assert!(interval_coverage(&[0.0], &[1.0, 1.0], &[0.5]).is_err());
}

#[test]
fn rows_of_one_confidence_share_a_bin_in_whatever_order_they_come() {
    let probs: Vec<f64> = (0..300).flat_map(|_| [0.7, 0.3]).collect();
    let error = |labels: Vec<usize>| Predictions::new(&probs, &labels).unwrap().adaptive_ece();
    let sorted: Vec<usize> = (0..300).map(|row| usize::from(row >= 210)).collect();
    let mixed: Vec<usize> = (0..300).map(|row| usize::from(row % 10 >= 7)).collect();
    assert!(error(sorted.clone()).abs() < 1e-12 && error(mixed).abs() < 1e-12);
    assert!(error(sorted.into_iter().rev().collect()).abs() < 1e-12);
}

#[test]
fn a_few_distinct_confidences_make_as_many_bins() {
    // 60 rows at 0.6 of which 36 are right, 40 at 0.9 of which 20 are: the gap is 0.4 for the latter.
    let probs: Vec<f64> =
        (0..100).flat_map(|row| if row % 5 < 3 { [0.6, 0.4] } else { [0.9, 0.1] }).collect();
    let (mut low, mut high) = (0, 0);
    let labels: Vec<usize> = (0..100)
        .map(|row| match row % 5 < 3 {
            true => {
                low += 1;
                usize::from(low > 36)
            }
            false => {
                high += 1;
                usize::from(high > 20)
            }
        })
        .collect();
    let predictions = Predictions::new(&probs, &labels).unwrap();
    assert_close(predictions.adaptive_ece(), 0.4 * 0.4, 1e-12);
    assert_close(predictions.ece(), 0.4 * 0.4, 1e-12);
}

#[test]
fn a_confidence_on_an_edge_belongs_below_it() {
    for (num_bins, k) in [(100, 57), (100, 58), (15, 11), (49, 29), (1000, 557)] {
        let confidence = k as f64 / num_bins as f64;
        let predictions = Predictions::new(&[confidence, 1.0 - confidence], &[0_u8]).unwrap();
        let bins = predictions.reliability(num_bins);
        let at = bins.iter().position(|bin| bin.count == 1).unwrap();
        assert!(bins[at].lower < confidence && confidence <= bins[at].upper, "{k} of {num_bins}: {at}");
    }
}

#[test]
fn any_number_of_bins_is_served() {
    let predictions = Predictions::new(&[0.7, 0.3], &[0_u8]).unwrap();
    assert_eq!(predictions.reliability(0).len(), 1);
    assert_eq!(predictions.reliability(usize::MAX).len(), 10_000);
}

#[test]
fn a_confidence_of_exactly_one_belongs_to_the_last_bin() {
    // Both rows share the bin: |1/2 - 0.985|. In bins of their own the error would be (0.03 + 1) / 2.
    let predictions = Predictions::new(&[0.97, 0.03, 1.0, 0.0], &[0_u8, 1]).unwrap();
    assert_close(predictions.ece(), 0.485, 1e-12);
    assert_eq!(predictions.reliability(10)[9].count, 2);
}
