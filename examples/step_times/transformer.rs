//! Training steps of the pixel transformer, in the sizes of the peers' scripts.

use ed::prelude::*;
use rand::Rng;

use crate::Workload;
use crate::network::{PixelTransformer, Sizes};
use crate::timing::{products_ms, report_steps};

pub const WORKLOADS: &[(&str, Workload)] = &[("W4_pixel_transformer", pixel_transformer)];

const BATCH: usize = 16;
const SIZES: Sizes = Sizes {
    levels: 256,
    pixels: 784,
    features: 128,
    layers: 4,
    heads: 4,
    hidden: 512,
    block: 128,
    components: 5,
    dropout: 0.1,
};

/// W4: images of 784 pixels with 256 levels, 16 at a time, through four layers of local attention.
fn pixel_transformer(name: &str) -> Result<()> {
    let mut stream = Key::new(0).stream();
    let levels = (0..BATCH * SIZES.pixels).map(|_| stream.gen_range(0..SIZES.levels) as f32).collect();
    let images = Var::from_vec(levels, (BATCH, SIZES.pixels))?;
    let net = PixelTransformer::new(SIZES);
    let floor = products_ms(&products())?;
    let mut training = Train::new(50_000, |_| net.nll(&images));
    report_steps(name, 8, None, Some(floor), |_| training.step(0).map(|_| ()))
}

/// The products of a step: those of the dense maps, three of each, and those of the attention, whole blocks of queries
/// with two blocks of keys, two forward and four back.
fn products() -> Vec<([usize; 3], usize)> {
    let Sizes { pixels, features, layers, heads, hidden, block, components, .. } = SIZES;
    let rows = BATCH * pixels;
    let maps = [
        (features, 3 * features, layers),
        (features, features, layers),
        (features, hidden, layers),
        (hidden, features, layers),
        (features, 3 * components, 1),
    ];
    let dense = maps.into_iter().flat_map(|(inputs, outputs, times)| {
        [([rows, inputs, outputs], times), ([rows, outputs, inputs], times), ([inputs, rows, outputs], times)]
    });
    // All blocks of all heads as one product each: many small ones would measure the calls.
    let (width, blocks) = (features / heads, BATCH * heads * pixels.div_ceil(block));
    let attention = [
        ([blocks * block, width, 2 * block], 2 * layers),
        ([blocks * block, 2 * block, width], 2 * layers),
        ([2 * block, blocks * block, width], 2 * layers),
    ];
    dense.chain(attention).collect()
}
