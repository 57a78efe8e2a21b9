use ed_macros::model;

#[model]
fn unnamed(data: &f64) -> Result<f64, String> {
    sample(1.0);
    let sum = sample(1.0) + sample(2.0)?;
    let taken = sample(1.0)?.abs();
    let late;
    late = observe(1.0, data);
    let either = if sum > 0.0 { sample(1.0) } else { deterministic(2.0) };
    factor(-1.0);
    nested(inner());
    plate(3, |rows| {
        let w = sample(1.0);
        Ok(w)
    });
    let wide = sample(sample(1.0));
    subsampled_plate(10, 2, |rows| Ok(rows))
}

fn main() {}
