//! The embedded Reber grammar: strings whose entropy is known exactly.

use rand::Rng;

use crate::kernels::rng::{Key, Stream};

/// The symbols, in the order of their codes.
pub const REBER_SYMBOLS: [char; 7] = ['B', 'T', 'P', 'S', 'X', 'V', 'E'];

const B: u8 = 0;
const T: u8 = 1;
const P: u8 = 2;
const S: u8 = 3;
const X: u8 = 4;
const V: u8 = 5;
const E: u8 = 6;

/// From each state, the two ways on: a symbol and the next state, of which the sixth is the end.
const GRAMMAR: [[(u8, usize); 2]; 5] =
    [[(T, 1), (P, 2)], [(S, 1), (X, 3)], [(T, 2), (V, 4)], [(X, 2), (S, 5)], [(P, 3), (V, 5)]];

/// A string of the embedded Reber grammar (Hochreiter and Schmidhuber 1997, section 5.1), as codes of
/// [`REBER_SYMBOLS`]: `B`, then `T` or `P`, then a string of the Reber grammar, then the same `T` or `P` again, then `E`.
/// Every choice is between two symbols with equal chances. To foretell the last symbol but one, a reader has to remember
/// the second over the whole string between.
///
/// ```
/// # use ed_core::data::{REBER_SYMBOLS, embedded_reber};
/// # use ed_core::kernels::rng::Key;
/// let codes = embedded_reber(Key::new(0));
/// let text: String = codes.iter().map(|&code| REBER_SYMBOLS[usize::from(code)]).collect();
/// assert!(text.starts_with("BT") && text.ends_with("TE") || text.starts_with("BP") && text.ends_with("PE"));
/// ```
pub fn embedded_reber(key: Key) -> Vec<u8> {
    let mut stream = key.stream();
    let branch = [T, P][coin(&mut stream)];
    let mut string = vec![B, branch, B];
    let mut state = 0;
    while let Some(ways) = GRAMMAR.get(state) {
        let (symbol, next) = ways[coin(&mut stream)];
        string.push(symbol);
        state = next;
    }
    string.extend([E, branch, E]);
    string
}

fn coin(stream: &mut Stream) -> usize {
    usize::from(stream.r#gen::<bool>())
}

/// The entropy of a string in nats: `ln 2` for each choice of its making. No model can have a lower mean negative
/// log-likelihood; one that knows the grammar and remembers the branch reaches it.
///
/// The first symbol is not counted, since it is always `B`.
///
/// ```
/// # use ed_core::data::{embedded_reber_entropy, embedded_reber};
/// # use ed_core::kernels::rng::Key;
/// // `BTBTXSETE`: the branch, and the choices T, X, S.
/// assert_eq!(embedded_reber_entropy(&[0, 1, 0, 1, 4, 3, 6, 1, 6]), 4.0 * 2f64.ln());
/// let mean = (0..2_000).map(|i| embedded_reber_entropy(&embedded_reber(Key::new(i)))).sum::<f64>() / 2_000.0;
/// // The expected number of choices is 1 + 6.
/// assert!((mean / 2f64.ln() - 7.0).abs() < 0.4);
/// ```
pub fn embedded_reber_entropy(string: &[u8]) -> f64 {
    // B branch B, then the choices, then E branch E, none of which is one.
    string.len().saturating_sub(5) as f64 * 2f64.ln()
}
