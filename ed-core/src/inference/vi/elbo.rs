//! The evidence lower bound and its gradient.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::guides::drawn::Drawn;
use crate::error::{Error, Result};
use crate::handlers::tape;
use crate::kernels::rng::Key;
use crate::model::Model;
use crate::params::Params;
use crate::tensor::{AnyVar, Var};
use crate::trace::{Kind, Next, Rows, Site, SiteName, Trace, Tracer, with_key, with_tracer};

/// How the gradient of the ELBO is estimated. Each is unbiased.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Estimator {
    /// For each random variable the best that there is: its divergence from the prior in closed form; else the path-wise
    /// derivative of `log p - log q`; else, for a posterior whose draws are not differentiable, the score function.
    #[default]
    Auto,
    /// Never a closed form.
    Pathwise,
    /// The score function for every random variable.
    ScoreFunction,
}

/// Estimates the ELBO `E_q[log p(x, z) - log q(z)]`, in nats, summed over the data.
#[derive(Debug)]
pub(super) struct Elbo {
    pub estimator: Estimator,
    pub num_samples: usize,
    /// Averages of the signal that a score function is multiplied by; `None` for no baseline.
    pub baselines: Option<HashMap<SiteName, Baseline>>,
}

/// A decaying average (Mnih & Gregor 2014, section 2.3.1), corrected for its start at 0.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Baseline {
    average: f64,
    weight: f64,
}

impl Baseline {
    const DECAY: f64 = 0.9;

    /// The average so far, without the signal of this step, on which it must not depend.
    fn value(&self) -> f64 {
        if self.weight > 0.0 { self.average / self.weight } else { 0.0 }
    }

    fn update(&mut self, signal: f64) {
        self.average = Self::DECAY * self.average + (1.0 - Self::DECAY) * signal;
        self.weight = Self::DECAY * self.weight + (1.0 - Self::DECAY);
    }
}

/// Records a guide's sites and cuts the path from draws that are to be differentiated by their score.
struct GuideRecorder {
    estimator: Estimator,
    trace: RefCell<Trace>,
}

impl Tracer for GuideRecorder {
    fn trace(&self, site: &mut Site, next: Next) -> Result<()> {
        next.forward(site)?;
        if site.kind == Kind::Latent && by_score(self.estimator, site) {
            if site.distribution.as_any().is::<Drawn>() {
                let instead = "use `Estimator::Auto` with an automatic guide, or write the guide as a model";
                return Err(Error::Undefined { of: "a guide's posterior", what: "score function", instead }
                    .at_site(site.label()));
            }
            site.value = Some(site.value()?.detach());
        }
        self.trace.borrow_mut().push(site.clone())
    }

    fn records(&self) -> bool {
        true
    }
}

/// Gives the model the guide's draws.
struct Played {
    guided: Rc<Trace>,
}

impl Tracer for Played {
    fn trace(&self, site: &mut Site, next: Next) -> Result<()> {
        let posterior = site.name.as_ref().and_then(|name| self.guided.get(name.as_str()));
        if site.kind == Kind::Latent
            && let Some(posterior) = posterior.filter(|posterior| posterior.kind == Kind::Latent)
        {
            let value = posterior.value()?;
            check_draw(site, posterior, value)?;
            site.value = Some(value.clone());
        }
        next.forward(site)
    }

    fn looks(&self) -> bool {
        false
    }
}

/// Checks a guide's draw where the model meets it, before the model makes something of a value that it cannot have.
///
/// # Errors
/// [`Error::Algorithm`] with the site's name.
fn check_draw(site: &Site, posterior: &Site, value: &AnyVar) -> Result<()> {
    let parts =
        |site: &'_ Site| -> Vec<Rows> { site.plates.iter().filter(|rows| rows.is_part()).cloned().collect() };
    let name = site.label();
    let why = if parts(site) != parts(posterior) {
        format!(
            "`{name}` stands for other rows of a subsampled plate in the guide than in the model: draw it in the guide \
             inside of a `subsampled_plate` with the same name, size and batch, which sees the same rows"
        )
    } else {
        // What an automatic guide draws is mapped onto the support; all reals have no border.
        let of_guide = posterior.distribution.as_any().is::<Drawn>();
        let misfit = match of_guide || !site.distribution.has_jacobian() {
            true => site.distribution.check_form(value),
            false => site.distribution.check(value),
        };
        match misfit {
            Ok(()) => return Ok(()),
            Err(error) => format!(
                "what it draws for `{name}` does not fit the model ({error}); give it the shape, the precision and the \
                 support that it has there"
            ),
        }
    };
    Err(Error::Algorithm { of: "a guide", why })
}

fn by_score(estimator: Estimator, site: &Site) -> bool {
    estimator == Estimator::ScoreFunction || !site.distribution.is_pathwise()
}

/// The terms of one sample of the ELBO.
#[derive(Default)]
struct Terms {
    /// What is differentiated along its path, with the value that counts.
    pathwise: Vec<AnyVar>,
    /// Log-densities whose gradient is multiplied by the signal.
    scores: Vec<(SiteName, AnyVar)>,
    elbo: f64,
}

impl Terms {
    fn add(&mut self, site: &Site, term: AnyVar) -> Result<()> {
        let value = term.peek().map_err(|error| error.at_site(site.label()))?[0];
        if !value.is_finite() {
            let what = format!("The term {value} of the ELBO at the site `{}`", site.label());
            let advice = "check the data, the priors and where the guide starts, or lower the learning rate";
            return Err(Error::NotFinite { what, advice });
        }
        self.elbo += value;
        self.pathwise.push(term);
        Ok(())
    }
}

impl Elbo {
    /// The baselines, for a file.
    pub fn state(&self) -> Result<Params> {
        let mut state = Params::new();
        for (name, Baseline { average, weight }) in self.baselines.iter().flatten() {
            state.insert(name, Var::from([*average, *weight]))?;
        }
        Ok(state)
    }

    /// Takes the baselines that [`Elbo::state`] gave, unless there are to be none.
    pub fn set_state(&mut self, state: &Params) -> Result<()> {
        let Some(baselines) = &mut self.baselines else { return Ok(()) };
        for (name, value) in state.iter() {
            if let [average, weight] = value.to_vec()?[..] {
                baselines.insert(name.clone(), Baseline { average, weight });
            }
        }
        Ok(())
    }

    /// An estimate of the ELBO, and a loss whose gradient is an unbiased estimate of that of the negative ELBO.
    ///
    /// # Errors
    /// Those of the model and of the guide; [`Error::Guide`] if their random variables differ; [`Error::NotFinite`] with
    /// the name of a site whose term is not finite.
    pub fn loss<M: Model, G: Model>(&mut self, model: &M, guide: &G, key: Key) -> Result<(f64, AnyVar)> {
        let mut total: Option<AnyVar> = None;
        let mut elbo = 0.0;
        let share = 1.0 / self.num_samples as f64;
        for sample in 0..self.num_samples {
            let terms = self.terms(model, guide, key.fold_in(sample as u64))?;
            elbo += share * terms.elbo;
            let scores = terms.scores.iter().map(|(name, log_q)| log_q.scaled(self.signal(name, terms.elbo)));
            for term in terms.pathwise.iter().cloned().chain(scores) {
                total = Some(match total {
                    None => term,
                    Some(sum) => sum.plus(&term)?,
                });
            }
            if let Some(baselines) = &mut self.baselines {
                for (name, _) in &terms.scores {
                    baselines.entry(name.clone()).or_default().update(terms.elbo);
                }
            }
        }
        let total = total.ok_or_else(|| Error::Algorithm {
            of: "Svi",
            why: "the model has no random variable, so there is nothing to infer".into(),
        })?;
        Ok((elbo, total.scaled(-share)))
    }

    /// What the score of a random variable is multiplied by.
    fn signal(&self, name: &SiteName, elbo: f64) -> f64 {
        let baseline = self.baselines.as_ref().and_then(|all| all.get(name));
        elbo - baseline.map_or(0.0, Baseline::value)
    }

    fn terms<M: Model, G: Model>(&self, model: &M, guide: &G, key: Key) -> Result<Terms> {
        let recorder = GuideRecorder { estimator: self.estimator, trace: RefCell::new(Trace::default()) };
        let recorder = Rc::new(recorder);
        with_key(key, || with_tracer(recorder.clone(), || guide.run()))?;
        let guided = Rc::new(recorder.trace.take());
        let played: Rc<dyn Tracer> = Rc::new(Played { guided: guided.clone() });
        let replayed = || with_tracer(played.clone(), || model.run().map(|_| ()));
        let (_, trace) = with_key(key, || tape(&replayed))?;
        check_sites(&trace, &guided)?;
        let mut terms = Terms::default();
        for site in trace.sites().iter().filter(|site| site.is_random()) {
            match site.name.as_ref().and_then(|name| guided.get(name.as_str())) {
                Some(posterior) if site.kind == Kind::Latent => self.latent(&mut terms, site, posterior)?,
                _ => terms.add(site, site.log_prob()?)?,
            }
        }
        for site in guided.sites().iter().filter(|site| site.kind == Kind::Factor) {
            terms.add(site, site.log_prob()?.scaled(-1.0))?;
        }
        Ok(terms)
    }

    /// The terms of a random variable `site` of the model with the `posterior` that the guide gives it.
    fn latent(&self, terms: &mut Terms, site: &Site, posterior: &Site) -> Result<()> {
        let mut posterior = posterior.clone();
        posterior.mask = posterior.mask.or_else(|| site.mask.clone());
        let by_score = by_score(self.estimator, &posterior);
        let log_q = || posterior.log_prob();
        if by_score {
            let name = posterior.required_name()?.clone();
            // The score is that of what was drawn; how often a row counts is in the signal.
            let score = posterior.distribution.log_prob_sum(posterior.value()?);
            let score = score.map_err(|error| error.at_site(posterior.label()))?;
            if score.node().is_some() {
                terms.scores.push((name, score));
            }
        }
        let unmasked = site.mask.is_none() && posterior.mask.is_none() && site.scale == posterior.scale;
        if self.estimator == Estimator::Auto
            && unmasked
            && let Some(divergence) = posterior.distribution.kl_to(&*site.distribution)
        {
            let divergence = divergence.map_err(|error| error.at_site(site.label()))?;
            return terms.add(site, divergence.scaled(-site.scale));
        }
        // The gradient of log q itself has expectation zero: by its score, it would only add noise.
        let log_q = if by_score { log_q()?.detach() } else { log_q()? };
        let term = site.log_prob()?.plus(&log_q.scaled(-1.0));
        terms.add(site, term.map_err(|error| error.at_site(site.label()))?)
    }
}

/// Checks that guide and model have the same latent random variables.
fn check_sites(model: &Trace, guide: &Trace) -> Result<()> {
    let names = |trace: &Trace, other: &Trace| -> Vec<String> {
        let lacks = |site: &&Site| {
            let name = site.name.as_ref();
            let there = name.and_then(|name| other.get(name.as_str()));
            there.is_none_or(|there| there.kind != Kind::Latent)
        };
        trace.latents().filter(lacks).map(Site::label).collect()
    };
    let (missing, extra) = (names(model, guide), names(guide, model));
    match missing.is_empty() && extra.is_empty() {
        true => Ok(()),
        false => Err(Error::Guide { missing, extra }),
    }
}
