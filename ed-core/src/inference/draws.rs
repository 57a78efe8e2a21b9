//! [`Draws`]: what every inference hands back, values of random variables by name, chain and draw.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::diagnostics::{Summary, chains::unit, quantile, write_cmdstan_csv};
use crate::error::{Error, Result};
use crate::tensor::{AnyVar, Dims, Float, Value};
use crate::trace::{SiteName, Values};

/// The sampler's own column that is 1 where a transition diverged.
const DIVERGENT: &str = "divergent__";
/// The sampler's own column of energies.
const ENERGY: &str = "energy__";

/// Draws of named random variables: for each, numbers of shape `[chains, draws, site…]`, kept in double precision.
///
/// # Examples
/// ```
/// use ed::inference::Draws;
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let run = |x: f64| values!["x" => Var::from([x, 10.0 * x])];
/// let draws = Draws::from_chains(&[vec![run(1.0), run(2.0)], vec![run(3.0), run(4.0)]])?;
/// assert_eq!((draws.num_chains(), draws.num_draws()), (2, 2));
/// assert_eq!(draws.mean("x")?.to_vec()?, [2.5, 25.0]);
/// assert_eq!(draws.required("x")?.scalar_chains(1), [[10.0, 20.0], [30.0, 40.0]]);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Draws {
    num_chains: usize,
    num_draws: usize,
    sites: Vec<SiteDraws>,
    places: HashMap<SiteName, usize>,
    statistics: Vec<(String, Vec<f64>)>,
    independent: bool,
}

/// The draws of one random variable.
#[derive(Clone, Debug)]
pub struct SiteDraws {
    name: SiteName,
    precision: &'static str,
    dims: Dims,
    num_chains: usize,
    num_draws: usize,
    /// `[chains, draws, site…]`, row-major.
    numbers: Vec<f64>,
}

impl Draws {
    /// No random variables yet.
    ///
    /// # Errors
    /// [`Error::Parameter`] if there is no chain or no draw.
    pub fn new(num_chains: usize, num_draws: usize) -> Result<Draws> {
        for (name, size) in [("num_chains", num_chains), ("num_draws", num_draws)] {
            if size == 0 {
                return Err(Error::Parameter { of: "Draws", name, must_be: "at least 1", got: "0".into() });
            }
        }
        let (sites, places, statistics) = Default::default();
        Ok(Draws { num_chains, num_draws, sites, places, statistics, independent: false })
    }

    /// States that the draws are independent of each other, so that a [`summary`](Draws::summary) judges no
    /// convergence.
    pub fn independent(mut self) -> Draws {
        self.independent = true;
        self
    }

    /// As many chains and draws, what the sampler tells, and no random variable.
    pub(super) fn without_sites(&self) -> Draws {
        let (sites, places) = Default::default();
        Draws { sites, places, statistics: self.statistics.clone(), ..*self }
    }

    /// Whether the draws are independent of each other.
    pub fn is_independent(&self) -> bool {
        self.independent
    }

    /// The values of every draw of every chain.
    ///
    /// # Errors
    /// [`Error::Parameter`] if there is no chain or no draw; [`Error::Algorithm`] if the chains differ in length;
    /// [`Error::NoSuchSite`], [`Error::Shape`] or [`Error::Precision`] if a draw has other values than the first.
    pub fn from_chains(chains: &[Vec<Values>]) -> Result<Draws> {
        let num_draws = chains.first().map_or(0, Vec::len);
        if let Some(other) = chains.iter().find(|chain| chain.len() != num_draws) {
            let why = format!("all chains must have the {num_draws} draws of the first, got {}", other.len());
            return Err(Error::Algorithm { of: "Draws", why });
        }
        let mut draws = Draws::new(chains.len(), num_draws)?;
        let first = &chains[0][0];
        for (name, like) in first.iter() {
            let mut numbers = Vec::with_capacity(chains.len() * num_draws * like.dims().num_elements());
            for values in chains.iter().flatten() {
                let value = values.required(name.as_str())?;
                same_kind(value, like).map_err(|error| error.at_site(name))?;
                numbers.extend(value.to_vec()?);
            }
            draws.insert(name, like.precision(), *like.dims(), numbers)?;
        }
        Ok(draws)
    }

    /// Adds a random variable: `numbers` of shape `[chains, draws, site…]` for a site of sizes `dims`, whose values in
    /// the model are of `precision` (`"f32"` or `"f64"`).
    ///
    /// # Errors
    /// [`Error::DuplicateSite`] if the name is there already; [`Error::Shape`] if there are not as many numbers as
    /// chains, draws and dims say.
    pub fn insert(
        &mut self,
        name: impl Into<SiteName>,
        precision: &'static str,
        dims: Dims,
        numbers: Vec<f64>,
    ) -> Result<()> {
        let name = name.into();
        if self.places.contains_key(&name) {
            return Err(Error::DuplicateSite { name: name.to_string() });
        }
        let (num_chains, num_draws) = (self.num_chains, self.num_draws);
        if numbers.len() != num_chains * num_draws * dims.num_elements() {
            let expected =
                format!("[{num_chains}, {num_draws}] followed by {dims}, as the numbers of `{name}`");
            return Err(Error::Shape { op: "Draws::insert", expected, got: Dims::vector(numbers.len()) });
        }
        self.places.insert(name.clone(), self.sites.len());
        self.sites.push(SiteDraws { name, precision, dims, num_chains, num_draws, numbers });
        Ok(())
    }

    /// Adds a quantity of the sampler's own, one number a draw, of shape `[chains, draws]`.
    ///
    /// Names end in `__` and are CmdStan's: `lp__`, `accept_stat__`, `stepsize__`, `treedepth__`, `n_leapfrog__`,
    /// `divergent__` (0 or 1) and `energy__`.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are not as many numbers as draws.
    pub fn insert_statistic(&mut self, name: impl Into<String>, numbers: Vec<f64>) -> Result<()> {
        if numbers.len() != self.num_chains * self.num_draws {
            let expected = format!("[{}, {}]", self.num_chains, self.num_draws);
            let got = Dims::vector(numbers.len());
            return Err(Error::Shape { op: "Draws::insert_statistic", expected, got });
        }
        self.statistics.push((name.into(), numbers));
        Ok(())
    }

    /// Number of chains.
    pub fn num_chains(&self) -> usize {
        self.num_chains
    }

    /// Number of draws of each chain.
    pub fn num_draws(&self) -> usize {
        self.num_draws
    }

    /// Draws of all chains together.
    pub fn len(&self) -> usize {
        self.num_chains * self.num_draws
    }

    /// Whether there is no random variable.
    pub fn is_empty(&self) -> bool {
        self.sites.is_empty()
    }

    /// The names, in the order of the model.
    pub fn names(&self) -> impl Iterator<Item = &SiteName> {
        self.sites.iter().map(|site| &site.name)
    }

    /// All random variables, in the order of the model.
    pub fn sites(&self) -> &[SiteDraws] {
        &self.sites
    }

    /// The draws of one random variable.
    pub fn get(&self, name: impl Into<SiteName>) -> Option<&SiteDraws> {
        self.places.get(&name.into()).map(|&place| &self.sites[place])
    }

    /// The draws of one random variable.
    ///
    /// # Errors
    /// [`Error::NotDrawn`] if there is none of this name.
    pub fn required(&self, name: impl Into<SiteName>) -> Result<&SiteDraws> {
        let name = name.into();
        self.get(&name).ok_or_else(|| Error::NotDrawn {
            name: name.to_string(),
            known: self.names().map(SiteName::to_string).collect(),
        })
    }

    /// A quantity of the sampler's own, `[chains, draws]` in row-major order.
    pub fn statistic(&self, name: &str) -> Option<&[f64]> {
        self.statistics.iter().find(|(other, _)| other == name).map(|(_, numbers)| numbers.as_slice())
    }

    /// A quantity of the sampler's own, chain by chain.
    pub fn statistic_chains(&self, name: &str) -> Option<Vec<&[f64]>> {
        Some(self.statistic(name)?.chunks(self.num_draws).collect())
    }

    /// Every scalar by name, as [`summary`](Draws::summary) and plots list them, with its chains.
    ///
    /// ```
    /// # use ed_core::{inference::Draws, tensor::Dims};
    /// let mut draws = Draws::new(1, 2)?;
    /// draws.insert("w", "f64", Dims::vector(2), vec![1.0, 2.0, 3.0, 4.0])?;
    /// let scalars: Vec<_> = draws.scalars().collect();
    /// assert_eq!(scalars[1], ("w[1]".to_owned(), vec![vec![2.0, 4.0]]));
    /// # Ok::<(), ed_core::Error>(())
    /// ```
    pub fn scalars(&self) -> impl Iterator<Item = (String, Vec<Vec<f64>>)> + '_ {
        self.sites.iter().flat_map(|site| {
            (0..site.dims.num_elements())
                .map(move |element| (site.element_name(element), site.scalar_chains(element)))
        })
    }

    /// Transitions that diverged.
    pub fn num_divergences(&self) -> usize {
        self.statistic(DIVERGENT).map_or(0, |column| column.iter().filter(|&&x| x != 0.0).count())
    }

    /// The mean of one random variable over all draws, in the shape and precision of the site.
    ///
    /// # Errors
    /// As [`Draws::required`].
    pub fn mean(&self, name: impl Into<SiteName>) -> Result<AnyVar> {
        Ok(self.required(name)?.mean())
    }

    /// The standard deviation (divisor `n - 1`) of one random variable over all draws, in the shape of the site.
    ///
    /// # Errors
    /// As [`Draws::required`].
    pub fn sd(&self, name: impl Into<SiteName>) -> Result<AnyVar> {
        Ok(self.required(name)?.sd())
    }

    /// The values of one draw, in the shapes and precisions of the model.
    ///
    /// # Errors
    /// [`Error::Value`] if there is no such draw.
    pub fn at(&self, chain: usize, draw: usize) -> Result<Values> {
        let within = |index: usize, size: usize| match index < size {
            true => Ok(()),
            false => Err(Error::Value {
                of: "Draws::at",
                must_be: "a chain and a draw that exist",
                got: format!("({chain}, {draw}) of ({}, {})", self.num_chains, self.num_draws),
            }),
        };
        within(chain, self.num_chains)?;
        within(draw, self.num_draws)?;
        let place = chain * self.num_draws + draw;
        Ok(self.sites.iter().map(|site| (site.name.clone(), site.draw(place))).collect())
    }

    /// The values of every draw, chain after chain.
    pub fn iter(&self) -> impl Iterator<Item = Values> + '_ {
        (0..self.len())
            .map(|place| self.sites.iter().map(|site| (site.name.clone(), site.draw(place))).collect())
    }

    /// The same draws as one chain.
    pub fn flatten(mut self) -> Draws {
        let num_draws = self.len();
        (self.num_chains, self.num_draws) = (1, num_draws);
        for site in &mut self.sites {
            (site.num_chains, site.num_draws) = (1, num_draws);
        }
        self
    }

    /// Mean, standard deviation, quantiles, Monte Carlo error, and, unless the draws are
    /// [independent](Draws::independent), effective sample sizes and R̂ of every scalar; below them what to worry
    /// about: divergences, energies, chains that stay apart.
    ///
    /// # Errors
    /// [`Error::Algorithm`] if there is no scalar, or two have one name.
    pub fn summary(&self) -> Result<Summary> {
        let scalars = self.scalars();
        let summary = match self.independent {
            true => Summary::of_independent(scalars),
            false => Summary::new(scalars),
        };
        match summary {
            Ok(summary) => {
                let energies = self.statistic_chains(ENERGY).unwrap_or_default();
                Ok(summary.with_divergences(self.num_divergences()).with_energies(&energies))
            }
            Err(error) => Err(Error::Algorithm { of: "Draws::summary", why: error.to_string() }),
        }
    }

    /// Writes one CmdStan CSV file a chain, `<stem>-1.csv`, `<stem>-2.csv`, …, which ArviZ reads; returns the paths.
    /// The index of a sub-model, `layer[2]/w`, becomes a part of its name: `layer_2_w`.
    ///
    /// # Errors
    /// [`Error::Algorithm`] with what the writer refused.
    pub fn to_cmdstan_csv(&self, stem: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
        let statistics = self.statistics.iter().map(|(name, numbers)| {
            (name.clone(), numbers.chunks(self.num_draws).map(<[f64]>::to_vec).collect())
        });
        let scalars = self.sites.iter().flat_map(|site| {
            (0..site.dims.num_elements()).map(move |element| {
                let name = site.element_name(element);
                let name = match name.rsplit_once('/') {
                    Some((scope, name)) => format!("{}/{name}", scope.replace('[', "_").replace(']', "")),
                    None => name,
                };
                (name, site.scalar_chains(element))
            })
        });
        let columns: Vec<(String, Vec<Vec<f64>>)> = statistics.chain(scalars).collect();
        write_cmdstan_csv(stem, &columns)
            .map_err(|error| Error::Algorithm { of: "Draws::to_cmdstan_csv", why: error.to_string() })
    }
}

impl SiteDraws {
    /// The name of the random variable.
    pub fn name(&self) -> &SiteName {
        &self.name
    }

    /// Sizes of one value.
    pub fn dims(&self) -> &Dims {
        &self.dims
    }

    /// The precision of its values in the model, `"f32"` or `"f64"`.
    pub fn precision(&self) -> &'static str {
        self.precision
    }

    /// All numbers, `[chains, draws, site…]` in row-major order.
    pub fn numbers(&self) -> &[f64] {
        &self.numbers
    }

    /// All draws along one leading axis, `[chains · draws, site…]`, in the precision of the site.
    ///
    /// # Errors
    /// [`Error::Shape`] if the site has as many axes as a tensor can have.
    pub fn stacked(&self) -> Result<AnyVar> {
        if self.dims.rank() == crate::tensor::MAX_RANK {
            let expected = format!("with fewer than {} axes", crate::tensor::MAX_RANK);
            return Err(Error::Shape { op: "SiteDraws::stacked", expected, got: self.dims });
        }
        Ok(self.tensor(&self.numbers, self.dims.with_first(self.num_chains * self.num_draws)))
    }

    /// The chains of one element of the value, counted in row-major order.
    pub fn scalar_chains(&self, element: usize) -> Vec<Vec<f64>> {
        let size = self.dims.num_elements();
        self.numbers
            .chunks(self.num_draws * size)
            .map(|chain| chain.iter().skip(element).step_by(size).copied().collect())
            .collect()
    }

    /// The mean over all draws, in the shape and precision of the site.
    pub fn mean(&self) -> AnyVar {
        self.tensor(&self.means(), self.dims)
    }

    /// The standard deviation over all draws (divisor `n - 1`), in the shape and precision of the site.
    pub fn sd(&self) -> AnyVar {
        let means = self.means();
        let count = (self.num_chains * self.num_draws) as f64;
        // Squares in a unit of the draws' own neither overflow nor vanish.
        let unit = unit(self.numbers.iter().copied());
        let squares = self.totals(|element, x| ((x - means[element]) / unit).powi(2));
        let sd: Vec<f64> = squares.into_iter().map(|sum| (sum / (count - 1.0)).sqrt() * unit).collect();
        self.tensor(&sd, self.dims)
    }

    /// A quantile over all draws, in the shape and precision of the site; `p` lies in `[0, 1]`, NaN otherwise.
    pub fn quantile(&self, p: f64) -> AnyVar {
        let quantiles: Vec<f64> = (0..self.dims.num_elements())
            .map(|element| quantile(&self.scalar_chains(element).concat(), p))
            .collect();
        self.tensor(&quantiles, self.dims)
    }

    /// The name of one element: `w[1,2]`; the index of a loop comes first: element 2 of `z[0]` is `z[0,2]`.
    fn element_name(&self, element: usize) -> String {
        if self.dims.rank() == 0 {
            return self.name.as_str().replace("][", ",");
        }
        let mut rest = element;
        let mut index: Vec<String> = self
            .dims
            .iter()
            .rev()
            .map(|&size| {
                let at = rest % size;
                rest /= size;
                at.to_string()
            })
            .collect();
        index.reverse();
        let index = index.join(",");
        match self.name.as_str().strip_suffix(']') {
            Some(open) => format!("{},{index}]", open.replace("][", ",")),
            None => format!("{}[{index}]", self.name),
        }
    }

    fn draw(&self, place: usize) -> AnyVar {
        let size = self.dims.num_elements();
        self.tensor(&self.numbers[place * size..(place + 1) * size], self.dims)
    }

    fn means(&self) -> Vec<f64> {
        let count = (self.num_chains * self.num_draws) as f64;
        let first = &self.numbers[..self.dims.num_elements()];
        // Distances from the first draw: those of equal draws are zero, and so is then the deviation.
        let origin = |element: usize| if first[element].is_finite() { first[element] } else { 0.0 };
        let distances = self.totals(|element, x| x - origin(element));
        distances.into_iter().enumerate().map(|(element, sum)| origin(element) + sum / count).collect()
    }

    /// For each element, the sum of `term` over all draws.
    fn totals(&self, term: impl Fn(usize, f64) -> f64) -> Vec<f64> {
        let mut totals = vec![0.0; self.dims.num_elements()];
        for draw in self.numbers.chunks(totals.len().max(1)) {
            for (element, &x) in draw.iter().enumerate() {
                totals[element] += term(element, x);
            }
        }
        totals
    }

    /// Numbers as a tensor in the precision of the site.
    fn tensor(&self, numbers: &[f64], dims: Dims) -> AnyVar {
        if self.precision == f32::NAME { tensor::<f32>(numbers, dims) } else { tensor::<f64>(numbers, dims) }
    }
}

fn tensor<E: Float>(numbers: &[f64], dims: Dims) -> AnyVar {
    let data: Vec<E> = numbers.iter().map(|&x| E::from_f64(x)).collect();
    E::into_any(Value::new(std::sync::Arc::new(data.into()), dims))
}

/// Checks that two values have one shape and one precision.
fn same_kind(value: &AnyVar, like: &AnyVar) -> Result<()> {
    if value.precision() != like.precision() {
        let (expected, got) = (like.precision(), value.precision());
        return Err(Error::Precision { of: "Draws".into(), expected, got });
    }
    if value.dims() != like.dims() {
        let expected = format!("{}, as in the first draw", like.dims());
        return Err(Error::Shape { op: "Draws", expected, got: *value.dims() });
    }
    Ok(())
}
