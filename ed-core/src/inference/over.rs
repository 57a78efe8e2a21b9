//! Training on batches that know their rows.

use std::cell::RefCell;

use super::train::Train;
use crate::data::Batches;
use crate::error::Result;
use crate::tensor::{Float, Var};

impl Train<()> {
    /// Training on batches of rows: the program gets the rows of its batch, and returns their mean negative
    /// log-likelihood, as for [`Train::new`]. A batch counts by its rows, so that each row of an epoch counts the same
    /// even if batches differ in size: its loss is that mean times its number of rows over the mean number of rows, and
    /// the mean loss of an epoch is the mean over its rows.
    ///
    /// # Examples
    /// The mean of ten numbers, from batches of 3, 3, 3 and 1 of them:
    /// ```
    /// use ed::data::Batches;
    /// use ed::params::{optimizer::{Schedule, Sgd}, param_as};
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let y: Vec<f64> = (0..10).map(f64::from).collect();
    /// let batches = Batches::new(10, 3, 0)?.keep_last();
    /// let train = Train::over(batches, |rows| {
    ///     let w = param_as("w", || Var::<(), f64>::scalar(0.0))?;
    ///     let batch: Var<_, f64> = Var::from(rows.iter().map(|&row| y[row]).collect::<Vec<_>>());
    ///     Ok((batch - w).square().mean())
    /// });
    /// let trained = train.optimizer(Sgd::new(Schedule::cosine(0.1, 2_000))).steps(2_000).run(0)?;
    /// assert!((trained.params().required("w")?.item()? - 4.5).abs() < 0.05);
    /// # Ok(()) }
    /// ```
    pub fn over<E: Float>(
        batches: Batches,
        program: impl Fn(&[usize]) -> Result<Var<(), E>>,
    ) -> Train<impl Fn(usize) -> Result<Var<(), E>>> {
        let num_rows = batches.num_rows();
        let mean_rows = batches.rows_per_epoch() as f64 / batches.per_epoch() as f64;
        let batches = RefCell::new(batches);
        Train::new(num_rows, move |step| {
            // A copy, so that the program may itself ask for rows.
            let rows = batches.borrow_mut().rows(step).to_vec();
            let weight = rows.len() as f64 / mean_rows;
            let loss = program(&rows)?;
            Ok(if weight == 1.0 { loss } else { loss * weight })
        })
    }
}
