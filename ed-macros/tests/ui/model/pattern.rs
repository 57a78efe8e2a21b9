use ed_macros::model;

#[model]
fn pattern() -> Result<f64, String> {
    let (a, b) = sample((1.0, 2.0));
    let _ = sample(1.0);
    let ref c = observe(1.0, 2.0);
    let d @ (_, _): (f64, f64) = deterministic((1.0, 2.0));
    let Some(e) = sample(1.0) else { return Ok(0.0) };
    let f = sample(1.0) else { return Ok(0.0) };
    Ok(0.0)
}

fn main() {}
