use ed_macros::model;

#[model]
fn arguments() -> Result<f64, String> {
    let a = sample();
    let b = sample(1.0, 2.0);
    let c = observe(1.0);
    let d = deterministic();
    let e = factor(1.0, 2.0);
    let f = nested(arguments(), 2);
    let g = plate(|rows| Ok(rows));
    let h = subsampled_plate(10, |rows| Ok(rows));
    let i = sample::<f64>(1.0);
    Ok(0.0)
}

fn main() {}
