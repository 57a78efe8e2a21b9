//! The only word of the attribute is `skip`.

use ed_macros::Layer;

#[derive(Layer)]
struct Network {
    #[layer(ignore)]
    rate: f64,
    #[layer]
    width: usize,
}

fn main() {}
