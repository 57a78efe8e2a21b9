//! A union has no children.

use ed_macros::Layer;

#[derive(Layer)]
union Both {
    whole: u32,
    part: f32,
}

fn main() {}
