use ed_macros::model;

#[model]
struct Structure {
    field: f64,
}

#[model]
impl Structure {
    fn method(&self) -> f64 {
        self.field
    }
}

#[model]
mod module {}

#[model]
const CONSTANT: Number = 1.0;

#[model]
type Number = f64;

fn main() {
    let _ = Structure { field: CONSTANT }.method();
}
