//! A small text table: names to the left, numbers aligned at their decimal points.

use std::fmt;

/// Digits that tell any two doubles apart.
const MAX_DIGITS: usize = 17;
/// Decimals of the smallest double: behind them stand only zeros, and the formatter takes no more than 2¹⁶.
const MAX_DECIMALS: usize = 1074;

/// One entry of a [`Table`].
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Text; the first column's is set to the left, others' to the right.
    Text(String),
    /// A whole number, printed in full.
    Count(u64),
    /// A real number, printed with the table's significant digits.
    Number(f64),
    /// A real number, printed with this many decimals, at most 1,074.
    Fixed(f64, usize),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Cell::Text(text)
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        Cell::Number(number)
    }
}

impl From<f32> for Cell {
    fn from(number: f32) -> Self {
        Cell::Number(number.into())
    }
}

impl From<usize> for Cell {
    fn from(count: usize) -> Self {
        Cell::Count(count as u64)
    }
}

/// Rows of cells under a header, printed by [`Display`](fmt::Display) with aligned columns.
///
/// Numbers show three significant digits unless [`digits`](Table::digits) says otherwise; within a column their
/// decimal points stand below each other. A row shorter than the header ends in empty cells, a longer one widens
/// the table.
///
/// ```
/// # use ed_core::table::Table;
/// let table = Table::new(["", "accuracy", "parameters"])
///     .row(["dense".into(), 0.9333.into(), 4810_usize.into()])
///     .row(["flipout".into(), 0.95.into(), 9610_usize.into()]);
/// assert_eq!(
///     table.to_string(),
///     "         accuracy  parameters\n\
///      dense       0.933        4810\n\
///      flipout     0.950        9610\n"
/// );
/// ```
#[derive(Clone, Debug)]
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<Cell>>,
    digits: usize,
}

impl Table {
    /// A table without rows; the header's first entry stands over the names.
    pub fn new<H: Into<String>>(header: impl IntoIterator<Item = H>) -> Self {
        Self { header: header.into_iter().map(Into::into).collect(), rows: Vec::new(), digits: 3 }
    }

    /// Significant digits of [`Cell::Number`], from one to seventeen.
    pub fn digits(mut self, digits: usize) -> Self {
        self.digits = digits;
        self
    }

    /// Appends a row.
    pub fn row(mut self, cells: impl IntoIterator<Item = Cell>) -> Self {
        self.push(cells);
        self
    }

    /// Appends a row in place, for loops.
    pub fn push(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The texts of one column below its header, padded so that decimal points align; the second value is
    /// their common width.
    fn column(&self, index: usize) -> (Vec<String>, usize) {
        let texts: Vec<(String, bool)> = self
            .rows
            .iter()
            .map(|row| row.get(index).map_or((String::new(), false), |c| self.text(c)))
            .collect();
        let tail = |text: &str| text.find(['.', 'e']).map_or(0, |at| text.len() - at);
        let longest =
            texts.iter().filter(|(_, number)| *number).map(|(text, _)| tail(text)).max().unwrap_or(0);
        let texts: Vec<String> = texts
            .into_iter()
            .map(|(text, number)| {
                let padding = if number { longest - tail(&text) } else { 0 };
                text + &" ".repeat(padding)
            })
            .collect();
        let width = texts.iter().map(|text| text.chars().count()).max().unwrap_or(0);
        (texts, width)
    }

    /// A cell's text, and whether it aligns at a decimal point.
    fn text(&self, cell: &Cell) -> (String, bool) {
        match cell {
            Cell::Text(text) => (text.clone(), false),
            Cell::Count(count) => (count.to_string(), true),
            Cell::Number(number) => (significant(*number, self.digits), number.is_finite()),
            Cell::Fixed(number, decimals) => {
                let decimals = (*decimals).min(MAX_DECIMALS);
                (format!("{number:.decimals$}"), number.is_finite())
            }
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(Vec::len).chain([self.header.len()]).max().unwrap_or(0);
        let mut lines = vec![String::new(); self.rows.len() + 1];
        for index in 0..width {
            let (texts, text_width) = self.column(index);
            let header = self.header.get(index).map_or("", String::as_str);
            let width = text_width.max(header.chars().count());
            for (line, text) in
                lines.iter_mut().zip(std::iter::once(header).chain(texts.iter().map(String::as_str)))
            {
                // The formatter pads to fewer than 2¹⁶ characters; texts may be longer.
                let padding = " ".repeat(width - text.chars().count());
                match index {
                    0 => line.extend([text, &padding]),
                    _ => line.extend(["  ", &padding, text]),
                }
            }
        }
        lines.iter().try_for_each(|line| writeln!(f, "{}", line.trim_end()))
    }
}

/// `number` rounded to `digits` significant digits: plain from 0.0001 up to 10⁶ (the whole part is never
/// rounded), with a power of ten outside. From one digit to seventeen: a double has no more.
///
/// ```
/// # use ed_core::table::significant;
/// assert_eq!(significant(0.012345, 3), "0.0123");
/// assert_eq!(significant(1234.5, 3), "1234");
/// assert_eq!(significant(-2.5e-7, 3), "-2.50e-7");
/// assert_eq!(significant(f64::NAN, 3), "NaN");
/// ```
pub fn significant(number: f64, digits: usize) -> String {
    if !number.is_finite() {
        return format!("{number}");
    }
    let decimals = digits.clamp(1, MAX_DIGITS) - 1;
    // Rust rounds to the wanted digits here, so that 9.999 counts as 10.0 below.
    let rounded = format!("{number:.decimals$e}");
    let exponent: i32 = rounded.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0);
    if number != 0.0 && !(-4..6).contains(&exponent) {
        return rounded;
    }
    let decimals = (decimals as i32 - exponent).max(0) as usize;
    format!("{number:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligns_decimal_points_and_headers() {
        let table = Table::new(["", "mean", "n"])
            .row(["mu".into(), 4.384.into(), 12_usize.into()])
            .row(["theta[10]".into(), (-0.01234).into(), 1_usize.into()])
            .row(["scale".into(), 1234.5.into()])
            .row(["lost".into(), f64::NAN.into(), "-".into()]);
        let expected = "\
             \x20               mean   n\n\
             mu            4.38    12\n\
             theta[10]    -0.0123   1\n\
             scale      1234\n\
             lost             NaN   -\n";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn counts_characters_not_bytes() {
        let table = Table::new(["", "R̂"]).row(["θ".into(), 1.0.into()]).row(["x".into(), 2.0.into()]);
        let lines: Vec<String> = table.to_string().lines().map(str::to_owned).collect();
        assert_eq!(lines[1].chars().count(), lines[2].chars().count());
    }

    #[test]
    fn widens_for_rows_longer_than_the_header() {
        assert_eq!(Table::new(["a"]).row(["b".into(), "c".into()]).to_string(), "a\nb  c\n");
        assert_eq!(Table::new([""; 0]).to_string(), "\n");
    }

    #[test]
    fn any_number_of_digits_prints() {
        for digits in [0, 17, 18, 70_000, usize::MAX] {
            assert!(significant(0.0, digits).starts_with('0'));
            assert!(significant(1e-300, digits).ends_with("e-300"));
            let table = Table::new(["", "x"]).digits(digits).row(["a".into(), 0.1.into()]);
            assert!(table.row(["b".into(), Cell::Fixed(2.5, digits)]).to_string().contains("0.1"));
        }
        assert!(Table::new(["x".repeat(70_000)]).row(["y".into(), 1.0.into()]).to_string().len() > 140_000);
        assert_eq!(significant(0.1, 17), "0.10000000000000001");
        assert_eq!(significant(0.1, 70_000), significant(0.1, 17));
    }

    #[test]
    fn rounds_to_significant_digits() {
        for (number, digits, text) in [
            (0.0, 3, "0.00"),
            (9.999, 3, "10.0"),
            (0.99951, 3, "1.00"),
            (0.00012344, 3, "0.000123"),
            (0.000099, 2, "9.9e-5"),
            (123456.7, 3, "123457"),
            (1.5e6, 3, "1.50e6"),
            (2.0, 0, "2"),
            (f64::NEG_INFINITY, 3, "-inf"),
        ] {
            assert_eq!(significant(number, digits), text);
        }
    }
}
