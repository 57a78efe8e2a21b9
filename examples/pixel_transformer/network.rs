//! The network: a causal transformer over pixels, which ends in PixelCNN++'s likelihood.

// Timed training steps compile this file too, and draw nothing.
#![allow(dead_code)]

use ed::layers::attention::AttentionState;
use ed::layers::{output, scope};
use ed::prelude::*;

type Sequences = Var<(usize, usize, usize)>;
type Matrix = Var<(usize, usize)>;

/// The law of levels of pixels with one channel, in a shape.
pub type Levels<S> = RandomVariable<output::Strict<Discretized<MixtureLogistic<S>>>>;

/// The sizes of the network.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Levels of a pixel.
    pub levels: usize,
    /// Pixels of an image.
    pub pixels: usize,
    /// Features of a pixel.
    pub features: usize,
    /// Layers, heads of each, and features between its two dense maps.
    pub layers: usize,
    pub heads: usize,
    pub hidden: usize,
    /// Pixels of a block of the attention.
    pub block: usize,
    /// Components of the mixture of logistics.
    pub components: usize,
    /// Probability of dropout.
    pub dropout: f64,
}

/// Pixels in reading order, each predicted from those before it.
#[derive(Clone, Debug, Layer)]
pub struct PixelTransformer {
    embedding: Embedding,
    positions: PositionalEmbedding,
    blocks: Vec<Block>,
    norm: LayerNorm,
    pixels: output::MixtureLogistic,
    levels: Discretize,
    #[layer(skip)]
    features: usize,
}

/// Attention and a dense network, each with a normalisation in front and a way around.
#[derive(Clone, Debug, Layer)]
struct Block {
    norm: LayerNorm,
    attention: LocalAttention1d,
    dense_norm: LayerNorm,
    hidden: Dense,
    dense: Dense,
    dropout: Dropout,
}

impl PixelTransformer {
    pub fn new(sizes: Sizes) -> PixelTransformer {
        let block = || Block {
            norm: LayerNorm::new(),
            attention: LocalAttention1d::new(sizes.heads, sizes.block).mask(LocalMask::Right),
            dense_norm: LayerNorm::new(),
            hidden: Dense::new(sizes.hidden).relu(),
            dense: Dense::new(sizes.features),
            dropout: Dropout(sizes.dropout),
        };
        PixelTransformer {
            embedding: Embedding::new(sizes.levels, sizes.features),
            positions: PositionalEmbedding::new(sizes.pixels),
            blocks: (0..sizes.layers).map(|_| block()).collect(),
            norm: LayerNorm::new(),
            pixels: output::MixtureLogistic::new(1, sizes.components),
            levels: Discretize::levels(sizes.levels),
            features: sizes.features,
        }
    }

    /// Mean negative log-likelihood of images `[N, pixels]` of whole-numbered levels, in nats for each pixel.
    pub fn nll(&self, images: &Matrix) -> Result<Var<()>> {
        let (batch, pixels) = *images.shape();
        let law = self.forward(images)?;
        Ok(-law.distribution().log_prob(&images.reshape((batch, pixels, 1))?)?.mean())
    }

    /// Images drawn pixel by pixel, level by level: `[N, pixels]`. Each image begins with the pixels of `given`.
    pub fn draw(&self, given: &[Vec<f32>], pixels: usize) -> Result<Vec<Vec<f32>>> {
        scope::enter(self, || {
            let batch = given.len();
            let mut images = vec![Vec::with_capacity(pixels); batch];
            let mut states: Vec<AttentionState> =
                self.blocks.iter().map(|block| block.attention.start(batch)).collect();
            let mut before = None;
            for pixel in 0..pixels {
                let drawn = self.step(before.as_ref(), pixel, &mut states)?.to_vec()?;
                for ((image, given), drawn) in images.iter_mut().zip(given).zip(drawn) {
                    image.push(given.get(pixel).copied().unwrap_or(drawn));
                }
                before = Some(Var::from(images.iter().map(|image| image[pixel]).collect::<Vec<_>>()));
            }
            Ok(images)
        })
    }

    /// The next pixel of each image, given the one before it and what the attention knows of the others.
    fn step(
        &self,
        before: Option<&Var<(usize,)>>,
        pixel: usize,
        states: &mut [AttentionState],
    ) -> Result<Levels<(usize, usize)>> {
        let x = match before {
            Some(levels) => self.embedding.forward(levels)?,
            None => Var::zeros((states[0].batch(), self.features)),
        };
        let mut x = self.positions.step(x, pixel)?;
        for (block, state) in self.blocks.iter().zip(states) {
            x = scope::enter(block, || block.step(&x, state))?;
        }
        self.levels.forward(self.pixels.forward(self.norm.forward(x)?)?)
    }
}

impl Apply<Matrix> for PixelTransformer {
    type Output = Levels<(usize, usize, usize)>;
    fn apply(&self, images: Matrix) -> Result<Self::Output> {
        let mut x = self.positions.forward(ShiftRight.forward(self.embedding.forward(images)?)?)?;
        for block in &self.blocks {
            x = block.forward(x)?;
        }
        self.levels.forward(self.pixels.forward(self.norm.forward(x)?)?)
    }
}

impl Apply<Sequences> for Block {
    type Output = Sequences;
    fn apply(&self, x: Sequences) -> Result<Sequences> {
        let change = self.attention.forward(self.norm.forward(&x)?)?;
        let x = x + self.dropout.forward(change)?;
        let change = self.dense.forward(self.hidden.forward(self.dense_norm.forward(&x)?)?)?;
        (x + self.dropout.forward(change)?).check()
    }
}

impl Block {
    fn step(&self, x: &Matrix, state: &mut AttentionState) -> Result<Matrix> {
        let (change, next) = self.attention.step(self.norm.forward(x)?, state.clone())?;
        *state = next;
        let x = x + change;
        let change = self.dense.forward(self.hidden.forward(self.dense_norm.forward(&x)?)?)?;
        (x + change).check()
    }
}
