//! Things that are no layers, and inputs that a layer does not take.
//
// says: `usize` is not a layer
// says: mark a field that holds no layer with `#[layer(skip)]`
// says: `{float}` is not a layer
// says: `Vec<f32>` cannot be passed to a layer
// says: pass a tensor

use ed::prelude::*;

#[derive(Clone, Debug, Layer)]
struct Network {
    hidden: Dense,
    width: usize,
}

fn main() -> Result<()> {
    let net = sequential![Dense::new(3), 5.0];
    let x = Var::<_, f32>::ones((2usize, 3usize));
    net.forward(&x)?;
    Dense::new(3).forward(vec![1.0f32, 2.0])?;
    Conv2d::new(3, 3).forward(&x)?;
    Ok(())
}
