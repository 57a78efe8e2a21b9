use ed_macros::model;

#[model]
fn out_of_sight() -> Result<f64, String> {
    let drawn = (0..3).map(|_| {
        let x = sample(1.0);
        let rows = plate(3, |_| {
            let y = sample(1.0);
            Ok(y)
        });
        x
    });
    let later = async {
        let x = sample(1.0);
        x
    };
    while {
        let x = sample(1.0);
        x > 0.0
    } {}
    let rows = plate(3, async |_| {
        let z = sample(1.0);
        Ok(z)
    });
    let all = vec![sample(1.0), source.sample(2.0), other::sample(3.0)];
    assert!(observe(1.0, 2.0) > 0.0, "{}", { sample });
    Ok(1.0)
}

fn main() {}
