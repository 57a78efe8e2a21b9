//! Counter-based random numbers: a [`Key`] and an index give a number, with no state in between.
//!
//! The generator is Philox4x32-10 (Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as
//! easy as 1, 2, 3", section 4.3). Element `i` of a fill depends on the key and `i` only, so it does
//! not matter how many threads fill a slice or in which pieces. Bits and uniforms are the same on
//! every processor; normals may differ in the last place between instruction sets, because a fused
//! multiply-add rounds once.

use rand::RngCore;

use super::dispatch::{Arch, Kernel, dispatch};
use super::float::Real;
use super::math;
use super::parallel::{COSTLY_CHUNK, for_each};

/// A 128-bit source of randomness: 64 bits of Philox key and the upper half of its counter.
///
/// Using a key twice for the same purpose gives the same numbers: derive a key for each use with
/// [`Key::split`] or [`Key::fold_in`].
///
/// ```
/// use ed_core::kernels::rng::{Key, fill_normal};
/// let key = Key::new(7);
/// let (mut a, mut b) = ([0f32; 3], [0f32; 3]);
/// fill_normal(key.fold_in_str("weights"), &mut a);
/// fill_normal(key.fold_in_str("weights"), &mut b);
/// assert_eq!(a, b);
/// fill_normal(key.fold_in_str("biases"), &mut b);
/// assert_ne!(a, b);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    key: u64,
    stream: u64,
}

/// What a Philox key is xored with, so that the uses of one [`Key`] never read the same block.
#[derive(Clone, Copy)]
#[repr(u64)]
enum Purpose {
    Fill = 0,
    FoldIn = 0x9e37_79b9_7f4a_7c15,
    Split = 0xd1b5_4a32_d192_ed03,
    Name = 0x8cb9_2ba7_2f3d_8dd7,
    Stream = 0xaaaa_aaaa_5555_5555,
}

impl Key {
    /// The key of a seed.
    pub const fn new(seed: u64) -> Self {
        Self { key: seed, stream: 0 }
    }

    /// `n` independent keys.
    pub fn split(self, n: usize) -> Vec<Self> {
        (0..n as u64).map(|i| self.derive(Purpose::Split, i)).collect()
    }

    /// `N` independent keys, the first `N` of [`Key::split`].
    ///
    /// ```
    /// # use ed_core::kernels::Key;
    /// let [weights, noise] = Key::new(0).split_array();
    /// assert_ne!(weights, noise);
    /// ```
    pub fn split_array<const N: usize>(self) -> [Self; N] {
        std::array::from_fn(|i| self.derive(Purpose::Split, i as u64))
    }

    /// The key for item `data` of a numbered family: a step, a chain, a layer.
    pub fn fold_in(self, data: u64) -> Self {
        self.derive(Purpose::FoldIn, data)
    }

    /// The key for a name: a site, a parameter.
    pub fn fold_in_str(self, name: &str) -> Self {
        // The length ends the chain, so that no name is the beginning of another one.
        name.as_bytes()
            .chunks(8)
            .fold(self, |key, bytes| {
                let mut word = [0; 8];
                word[..bytes.len()].copy_from_slice(bytes);
                key.derive(Purpose::Name, u64::from_le_bytes(word))
            })
            .derive(Purpose::Name, name.len() as u64)
    }

    /// A sequential generator, for samplers that reject.
    pub fn stream(self) -> Stream {
        Stream { key: self, next_block: 0, words: [0; 4], used: 4 }
    }

    fn derive(self, purpose: Purpose, data: u64) -> Self {
        let [a, b, c, d] = self.block(purpose, data);
        Self { key: u64::from(b) << 32 | u64::from(a), stream: u64::from(d) << 32 | u64::from(c) }
    }

    fn block(self, purpose: Purpose, index: u64) -> [u32; 4] {
        let counter = [index as u32, (index >> 32) as u32, self.stream as u32, (self.stream >> 32) as u32];
        philox(counter, self.key ^ purpose as u64)
    }
}

/// One block of Philox4x32-10: four words from a counter and a key, low words first.
#[inline(always)]
pub fn philox(counter: [u32; 4], key: u64) -> [u32; 4] {
    // Words live in 64-bit lanes: then a vector multiplies without any shuffle.
    let [mut x0, mut x1, mut x2, mut x3] = counter.map(u64::from);
    let (mut k0, mut k1) = (key as u32, (key >> 32) as u32);
    const LOW: u64 = 0xffff_ffff;
    for _ in 0..10 {
        let a = (x0 & LOW) * 0xd251_1f53;
        let b = (x2 & LOW) * 0xcd9e_8d57;
        (x0, x1, x2, x3) = ((b >> 32) ^ x1 ^ u64::from(k0), b, (a >> 32) ^ x3 ^ u64::from(k1), a);
        k0 = k0.wrapping_add(0x9e37_79b9);
        k1 = k1.wrapping_add(0xbb67_ae85);
    }
    [x0 as u32, x1 as u32, x2 as u32, x3 as u32]
}

/// Blocks that are computed side by side.
const LANES: usize = 16;

/// Turns the words of [`LANES`] blocks into numbers.
trait Draw {
    type Item: Copy + Default + Send;
    /// Numbers from one block.
    const PER_BLOCK: usize;

    /// `words[w][lane]` is word `w` of a block; fills `out`, of `PER_BLOCK * LANES` numbers.
    fn draw<A: Arch>(words: &[[u32; LANES]; 4], out: &mut [Self::Item]);
}

struct Fill<'a, D: Draw> {
    key: Key,
    start: u64,
    out: &'a mut [D::Item],
}

impl<D: Draw> Fill<'_, D> {
    /// Group `index` of `LANES` blocks into `out`.
    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // Lanes are the loop to vectorise; words are inside.
    fn group<A: Arch>(key: Key, index: u64, out: &mut [D::Item]) {
        let mut words = [[0; LANES]; 4];
        for lane in 0..LANES {
            let block = index.wrapping_mul(LANES as u64).wrapping_add(lane as u64);
            let counter = [block as u32, (block >> 32) as u32, key.stream as u32, (key.stream >> 32) as u32];
            let block = philox(counter, key.key ^ Purpose::Fill as u64);
            for w in 0..4 {
                words[w][lane] = block[w];
            }
        }
        D::draw::<A>(&words, out);
    }
}

impl<D: Draw> Kernel for Fill<'_, D> {
    type Out = ();
    const WIDE: bool = true;

    #[inline(always)]
    fn run<A: Arch>(self) {
        let Self { key, start, mut out } = self;
        let size = D::PER_BLOCK * LANES;
        let mut index = start / size as u64;
        let skip = (start % size as u64) as usize;
        let mut buffer = [D::Item::default(); 4 * LANES];
        if skip > 0 {
            Self::group::<A>(key, index, &mut buffer[..size]);
            let (head, rest) = out.split_at_mut((size - skip).min(out.len()));
            head.copy_from_slice(&buffer[skip..skip + head.len()]);
            (index, out) = (index + 1, rest);
        }
        let mut groups = out.chunks_exact_mut(size);
        for group in &mut groups {
            Self::group::<A>(key, index, group);
            index += 1;
        }
        let tail = groups.into_remainder();
        if !tail.is_empty() {
            Self::group::<A>(key, index, &mut buffer[..size]);
            tail.copy_from_slice(&buffer[..tail.len()]);
        }
    }
}

fn fill<D: Draw>(key: Key, start: u64, out: &mut [D::Item]) {
    for_each(out, COSTLY_CHUNK, |offset, out| dispatch(Fill::<D> { key, start: start + offset as u64, out }));
}

struct Bits;

impl Draw for Bits {
    type Item = u32;
    const PER_BLOCK: usize = 4;

    #[inline(always)]
    fn draw<A: Arch>(words: &[[u32; LANES]; 4], out: &mut [u32]) {
        for (out, words) in out.chunks_exact_mut(LANES).zip(words) {
            out.copy_from_slice(words);
        }
    }
}

/// The bits of value `v` of a block, of as many words as the number type needs.
#[inline(always)]
fn bits_of<T: Real>(words: &[[u32; LANES]; 4], v: usize, lane: usize) -> T::Bits {
    T::join(words[v * T::WORDS][lane], words[v * T::WORDS + T::WORDS - 1][lane])
}

struct Uniform<T>(T);

impl<T: Real> Draw for Uniform<T> {
    type Item = T;
    const PER_BLOCK: usize = 4 / T::WORDS;

    #[inline(always)]
    fn draw<A: Arch>(words: &[[u32; LANES]; 4], out: &mut [T]) {
        for (v, out) in out.chunks_exact_mut(LANES).enumerate() {
            for (lane, out) in out.iter_mut().enumerate() {
                *out = T::open_unit(bits_of::<T>(words, v, lane));
            }
        }
    }
}

struct Rademacher<T>(T);

impl<T: Real> Draw for Rademacher<T> {
    type Item = T;
    const PER_BLOCK: usize = 4;

    #[inline(always)]
    fn draw<A: Arch>(words: &[[u32; LANES]; 4], out: &mut [T]) {
        for (out, words) in out.chunks_exact_mut(LANES).zip(words) {
            for (out, &word) in out.iter_mut().zip(words) {
                *out = if word >> 31 == 0 { T::ONE } else { -T::ONE };
            }
        }
    }
}

struct Normal<T>(T);

impl<T: Real> Draw for Normal<T> {
    type Item = T;
    const PER_BLOCK: usize = 4 / T::WORDS;

    /// Box and Muller 1958: a radius from one uniform, an angle from another.
    #[inline(always)]
    fn draw<A: Arch>(words: &[[u32; LANES]; 4], out: &mut [T]) {
        for (pair, out) in out.chunks_exact_mut(2 * LANES).enumerate() {
            let (first, second) = out.split_at_mut(LANES);
            for lane in 0..LANES {
                let uniform = T::tail_unit(bits_of::<T>(words, 2 * pair, lane));
                let (angle, quadrant) = T::octant(bits_of::<T>(words, 2 * pair + 1, lane));
                let radius = (T::from_f64(-2.0) * math::ln_positive::<A, T>(uniform)).sqrt();
                let (cos, sin) = math::cos_sin_octant::<A, T>(angle);
                // One bit turns by half a turn, the other mirrors at the diagonal.
                let (along, across) = ((radius * cos).negate_if(quadrant, 1), radius * sin);
                let swap = T::low_bit(quadrant);
                first[lane] = if swap { across } else { along };
                second[lane] = if swap { along } else { across };
            }
        }
    }
}

/// Random 32-bit words.
pub fn fill_bits(key: Key, out: &mut [u32]) {
    fill::<Bits>(key, 0, out);
}

/// Uniforms on the open interval (0, 1): multiples of 2⁻²⁴ (`f32`) or 2⁻⁵³ (`f64`).
pub fn fill_uniform<T: Real>(key: Key, out: &mut [T]) {
    fill_uniform_from(key, 0, out);
}

/// Elements `start..` of the sequence that [`fill_uniform`] begins.
pub fn fill_uniform_from<T: Real>(key: Key, start: u64, out: &mut [T]) {
    fill::<Uniform<T>>(key, start, out);
}

/// Standard normals; at most 6.6 (`f32`) or 8.6 (`f64`) in size.
///
/// ```
/// use ed_core::kernels::rng::{Key, fill_normal};
/// let mut z = vec![0f64; 10_000];
/// fill_normal(Key::new(0), &mut z);
/// let mean = z.iter().sum::<f64>() / 1e4;
/// assert!(mean.abs() < 4.0 / 1e4f64.sqrt());
/// ```
pub fn fill_normal<T: Real>(key: Key, out: &mut [T]) {
    fill_normal_from(key, 0, out);
}

/// Elements `start..` of the sequence that [`fill_normal`] begins.
pub fn fill_normal_from<T: Real>(key: Key, start: u64, out: &mut [T]) {
    fill::<Normal<T>>(key, start, out);
}

/// What [`fill_normal_from`] writes, inside of another loop: on this thread, for its instruction set.
#[inline(always)]
pub(super) fn normals<A: Arch, T: Real>(key: Key, start: u64, out: &mut [T]) {
    Fill::<Normal<T>> { key, start, out }.run::<A>();
}

/// Words `start..` of the sequence that [`fill_bits`] begins, inside of another loop.
#[inline(always)]
pub(super) fn words<A: Arch>(key: Key, start: u64, out: &mut [u32]) {
    Fill::<Bits> { key, start, out }.run::<A>();
}

/// Signs: -1 or 1, each with probability one half.
pub fn fill_rademacher<T: Real>(key: Key, out: &mut [T]) {
    fill_rademacher_from(key, 0, out);
}

/// Elements `start..` of the sequence that [`fill_rademacher`] begins.
pub fn fill_rademacher_from<T: Real>(key: Key, start: u64, out: &mut [T]) {
    fill::<Rademacher<T>>(key, start, out);
}

/// A sequential generator over the blocks of a [`Key`], for `rand` and `rand_distr`.
///
/// ```
/// use ed_core::kernels::Key;
/// use rand::Rng;
/// let die: u32 = Key::new(1).stream().gen_range(1..=6);
/// assert!((1..=6).contains(&die));
/// ```
#[derive(Clone, Debug)]
pub struct Stream {
    key: Key,
    next_block: u64,
    words: [u32; 4],
    used: usize,
}

impl Stream {
    /// A uniform on the open interval (0, 1).
    #[inline]
    pub fn open_unit(&mut self) -> f64 {
        f64::open_unit(self.next_u64())
    }
}

impl RngCore for Stream {
    #[inline]
    fn next_u32(&mut self) -> u32 {
        if self.used == 4 {
            self.words = self.key.block(Purpose::Stream, self.next_block);
            self.next_block += 1;
            self.used = 0;
        }
        self.used += 1;
        self.words[self.used - 1]
    }

    #[inline]
    fn next_u64(&mut self) -> u64 {
        let low = self.next_u32();
        u64::from(self.next_u32()) << 32 | u64::from(low)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        for bytes in bytes.chunks_mut(4) {
            bytes.copy_from_slice(&self.next_u32().to_le_bytes()[..bytes.len()]);
        }
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

#[cfg(test)]
#[path = "rng_tests.rs"]
mod tests;
