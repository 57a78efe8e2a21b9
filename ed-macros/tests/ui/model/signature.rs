use ed_macros::model;

#[model(name = "m")]
fn with_arguments() -> Result<f64, String> {
    Ok(1.0)
}

#[model]
async fn asynchronous() -> Result<f64, String> {
    Ok(1.0)
}

#[model]
const fn constant() -> Result<f64, String> {
    Ok(1.0)
}

#[model]
fn returns_nothing() {
    let x = sample(1.0);
}

#[model]
fn returns_a_unit() -> () {
    let x = sample(1.0);
}

#[model]
fn returns_impl(items: [f64; 2]) -> Result<impl Iterator<Item = f64>, String> {
    sample(1.0);
    Ok(items.into_iter())
}

struct Schools;

impl Schools {
    #[model]
    fn method(&self) -> Result<f64, String> {
        let x = sample(1.0);
        Ok(x)
    }

    #[model]
    fn associated() -> Result<Self, String> {
        let x = sample(1.0);
        Ok(Schools)
    }
}

fn main() {
    // The function can be named in spite of the mistake in it.
    let _ = returns_nothing();
    let _ = Schools.method();
}
