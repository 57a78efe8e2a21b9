//! Published test vectors, reproducibility and statistics of the random numbers.

use super::*;
use crate::kernels::dispatch::{Level, with_level};
use crate::kernels::parallel::tests::same_for_all_threads;

/// Vectors of the file `kat_vectors` of Random123.
#[test]
fn philox_reproduces_the_published_vectors() {
    let zeros = philox([0; 4], 0);
    assert_eq!(zeros, [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
    let ones = philox([u32::MAX; 4], u64::MAX);
    assert_eq!(ones, [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
    let pi = philox([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], 0x299f_31d0_a409_3822);
    assert_eq!(pi, [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
}

#[test]
fn the_vector_code_gives_the_blocks_of_the_scalar_code() {
    let key = Key { key: 0x0123_4567_89ab_cdef, stream: 0xfeed_face_dead_beef };
    let mut bits = vec![0; 4 * LANES * 5];
    fill_bits(key, &mut bits);
    for (i, &word) in bits.iter().enumerate() {
        let (group, within) = (i / (4 * LANES), i % (4 * LANES));
        let block = key.block(Purpose::Fill, (group * LANES + within % LANES) as u64);
        assert_eq!(word, block[within / LANES]);
    }
}

#[test]
fn any_piece_of_a_sequence_can_be_filled_alone() {
    let key = Key::new(3);
    let mut whole = vec![0f32; 1000];
    fill_normal(key, &mut whole);
    let mut doubles = vec![0f64; 1000];
    fill_uniform(key, &mut doubles);
    for start in [0, 1, 31, 32, 63, 64, 65, 500] {
        for len in [0, 1, 2, 31, 64, 130, 400] {
            let mut piece = vec![0f32; len];
            fill_normal_from(key, start as u64, &mut piece);
            assert_eq!(piece, whole[start..start + len]);
            let mut piece = vec![0f64; len];
            fill_uniform_from(key, start as u64, &mut piece);
            assert_eq!(piece, doubles[start..start + len]);
        }
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let z = same_for_all_threads(|| {
        let mut z = vec![0f32; 100_003];
        fill_normal(Key::new(5), &mut z);
        z
    });
    let mut tail = vec![0f32; 3];
    fill_normal_from(Key::new(5), 100_000, &mut tail);
    assert_eq!(z[100_000..], tail);
}

#[test]
fn instruction_sets_agree_in_uniforms_and_almost_in_normals() {
    let draw = |level| {
        with_level(level, || {
            let (mut u, mut z) = (vec![0f32; 20_000], vec![0f64; 20_000]);
            fill_uniform(Key::new(9), &mut u);
            fill_normal(Key::new(9), &mut z);
            (u, z)
        })
    };
    let (portable, vector) = (draw(Level::Portable), draw(Level::Avx2));
    assert_eq!(draw(Level::Avx512), vector, "wider vectors compute the same bits");
    assert_eq!(portable.0, vector.0);
    for (a, b) in portable.1.iter().zip(&vector.1) {
        assert!((a - b).abs() <= 1e-14 * (1.0 + a.abs()), "{a} {b}");
    }
}

#[test]
fn uniforms_stay_inside_the_open_interval_for_extreme_bits() {
    assert_eq!(f32::open_unit(0), 2f32.powi(-24));
    assert_eq!(f32::open_unit(u32::MAX), 1.0 - 2f32.powi(-24));
    assert_eq!(f64::open_unit(0), 2f64.powi(-53));
    assert_eq!(f64::open_unit(u64::MAX), 1.0 - 2f64.powi(-53));
    assert_eq!(f32::tail_unit(0), 2f32.powi(-32));
    assert!(f32::tail_unit(u32::MAX) <= 1.0);
}

/// The largest distance between the empirical and the given distribution function, times √n.
fn kolmogorov_smirnov(mut x: Vec<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
    x.sort_by(f64::total_cmp);
    let n = x.len() as f64;
    let distance = x.iter().enumerate().fold(0f64, |worst, (i, &x)| {
        let p = cdf(x);
        worst.max((p - i as f64 / n).abs()).max(((i + 1) as f64 / n - p).abs())
    });
    distance * n.sqrt()
}

fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x / 2f64.sqrt())
}

fn normals<T: Real>(key: Key, n: usize) -> Vec<f64> {
    let mut z = vec![T::ZERO; n];
    fill_normal(key, &mut z);
    z.into_iter().map(T::to_f64).collect()
}

/// 1.95 is the 0.1 % point of the Kolmogorov distribution.
#[test]
fn normals_and_uniforms_pass_kolmogorov_smirnov() {
    let n = 200_000;
    assert!(kolmogorov_smirnov(normals::<f32>(Key::new(11), n), normal_cdf) < 1.95);
    assert!(kolmogorov_smirnov(normals::<f64>(Key::new(12), n), normal_cdf) < 1.95);
    let mut u = vec![0f32; n];
    fill_uniform(Key::new(13), &mut u);
    assert!(kolmogorov_smirnov(u.iter().map(|&u| f64::from(u)).collect(), |u| u) < 1.95);
}

#[test]
fn normals_have_the_moments_and_tails_of_the_normal() {
    let n = 4_000_000;
    for z in [normals::<f32>(Key::new(21), n), normals::<f64>(Key::new(22), n)] {
        let root = (n as f64).sqrt();
        // Moments 1 to 6 and the variance of z^k: (2k - 1)!! - m².
        for (k, mean, variance) in
            [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0), (6, 15.0, 10_170.0f64)]
        {
            let moment = z.iter().map(|z| z.powi(k)).sum::<f64>() / n as f64;
            let error = (moment - mean) / (variance.sqrt() / root);
            assert!(error.abs() < 4.0, "moment {k}: {moment}, {error} standard errors");
        }
        for edge in [3.0, 4.0, 4.5] {
            let p = 2.0 * normal_cdf(-edge);
            let seen = z.iter().filter(|z| z.abs() > edge).count() as f64;
            let expected = n as f64 * p;
            assert!((seen - expected).abs() < 4.0 * expected.sqrt(), "beyond {edge}: {seen}, not {expected}");
        }
        // Neighbours, the two of a Box-Muller pair, and the next group.
        for lag in [1, LANES, 4 * LANES] {
            let c = z.iter().zip(&z[lag..]).map(|(a, b)| a * b).sum::<f64>() / root;
            assert!(c.abs() < 4.0, "lag {lag}: {c} standard errors");
            let squares = z.iter().zip(&z[lag..]).map(|(a, b)| (a * a - 1.0) * (b * b - 1.0)).sum::<f64>();
            assert!((squares / root / 2.0).abs() < 4.0, "squares at lag {lag}");
        }
    }
}

#[test]
fn signs_are_balanced() {
    let mut signs = vec![0f32; 100_000];
    fill_rademacher(Key::new(31), &mut signs);
    assert!(signs.iter().all(|s| s.abs() == 1.0));
    assert!(signs.iter().sum::<f32>().abs() < 4.0 * 100_000f32.sqrt());
}

#[test]
fn derived_keys_are_all_different() {
    let key = Key::new(0);
    let mut keys = key.split(1000);
    assert_eq!(keys[..2], key.split_array::<2>());
    keys.extend((0..1000).map(|i| key.fold_in(i)));
    keys.extend(
        ["", "a", "b", "a\0", "ab", "abcdefgh", "abcdefgh\0", "abcdefghi"].map(|s| key.fold_in_str(s)),
    );
    keys.extend([key, Key::new(1)]);
    let distinct: std::collections::HashSet<_> = keys.iter().collect();
    assert_eq!(distinct.len(), keys.len());
    assert_ne!(key.fold_in(1).fold_in(2), key.fold_in(2).fold_in(1));
}

#[test]
fn a_stream_is_reproducible_uniform_and_apart_from_the_fills() {
    let key = Key::new(17);
    let words: Vec<u32> = std::iter::repeat_with({
        let mut stream = key.stream();
        move || stream.next_u32()
    })
    .take(64)
    .collect();
    let mut bytes = [0; 256];
    key.stream().fill_bytes(&mut bytes);
    assert!(words.iter().zip(bytes.chunks(4)).all(|(w, b)| w.to_le_bytes() == b));
    let mut bits = vec![0; 64];
    fill_bits(key, &mut bits);
    assert!(bits.iter().all(|b| !words.contains(b)));
    let mut stream = key.stream();
    let u = (0..50_000).map(|_| stream.next_u64() as f64 / 2f64.powi(64)).collect();
    assert!(kolmogorov_smirnov(u, |u| u) < 1.95);
}
