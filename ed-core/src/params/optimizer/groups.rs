//! An optimiser for each group of parameters.

use super::pattern::Pattern;
use super::state::{inside, under};
use super::{Optimizer, check};
use crate::error::{Error, Result};
use crate::params::Params;

/// Parameters in groups by the pattern of their names, each with an optimiser of its own, and so with its own learning
/// rate, schedule and weight decay; the rest have theirs.
///
/// In a pattern `*` stands for any text. A parameter belongs to the first group whose pattern its name has. If one group
/// refuses its gradients, none moves.
///
/// # Examples
/// An encoder that is tuned slowly under a new readout, and an embedding that stays:
/// ```
/// use ed::params::{Params, optimizer::{Adam, Groups, Optimizer, Sgd}, param_as, value_and_gradients};
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let mut params = Params::new();
/// let loss = || {
///     let weight = |name: &'static str| param_as(name, || Var::<(), f64>::scalar(1.0));
///     Ok(weight("encoder/kernel")? + weight("readout/kernel")? + weight("embedding/table")?)
/// };
/// let mut optimizer = Groups::new(Sgd::new(0.1)).group("encoder/*", Sgd::new(0.01)).frozen("embedding/*");
/// let (_, gradients) = value_and_gradients(&mut params, loss)?;
/// optimizer.step(&mut params, gradients)?;
/// assert_eq!(params.required("readout/kernel")?.item()?, 0.9);
/// assert_eq!(params.required("encoder/kernel")?.item()?, 0.99);
/// assert_eq!(params.required("embedding/table")?.item()?, 1.0);
///
/// let mut misspelt = Groups::new(Adam::new(0.1)).frozen("embeding/*");
/// let (_, gradients) = value_and_gradients(&mut params, loss)?;
/// assert!(misspelt.step(&mut params, gradients).unwrap_err().to_string().contains("embedding/table"));
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Groups {
    groups: Vec<Group>,
    others: Box<dyn Optimizer>,
}

#[derive(Debug)]
struct Group {
    pattern: Pattern,
    /// `None`: its parameters stay as they are.
    optimizer: Option<Box<dyn Optimizer>>,
}

impl Groups {
    /// No groups yet, and the optimiser of all parameters that belong to none.
    pub fn new(others: impl Optimizer + 'static) -> Groups {
        Groups { groups: Vec::new(), others: Box::new(others) }
    }

    /// Parameters whose names have this pattern have this optimiser.
    pub fn group(mut self, pattern: impl Into<String>, optimizer: impl Optimizer + 'static) -> Groups {
        self.groups.push(Group { pattern: Pattern::new(pattern), optimizer: Some(Box::new(optimizer)) });
        self
    }

    /// Parameters whose names have this pattern stay as they are.
    pub fn frozen(mut self, pattern: impl Into<String>) -> Groups {
        self.groups.push(Group { pattern: Pattern::new(pattern), optimizer: None });
        self
    }

    /// The gradients of each group, and those of the rest last.
    fn parted(&self, gradients: &Params) -> Result<Vec<Params>> {
        let mut parts = vec![Params::new(); self.groups.len() + 1];
        for (name, gradient) in gradients.iter() {
            let group = self.groups.iter().position(|group| group.pattern.matches(name.as_str()));
            parts[group.unwrap_or(self.groups.len())].insert(name, gradient.clone())?;
        }
        Ok(parts)
    }

    fn refusal(&self, params: &Params, parts: &[Params]) -> Result<()> {
        if let Some(group) = self.groups.iter().find(|group| !group.pattern.is_known(params.names())) {
            let known = params.names().map(|name| name.to_string()).collect();
            return Err(Error::NoSuchSite { name: group.pattern.text().into(), known });
        }
        for (group, gradients) in self.groups.iter().zip(parts) {
            match &group.optimizer {
                Some(optimizer) => optimizer.check(params, gradients)?,
                None => check::fitting(params, gradients, |max| max)?,
            }
        }
        self.others.check(params, &parts[self.groups.len()])
    }

    /// The optimisers, each with what its part of the state is called.
    fn named(&self) -> impl Iterator<Item = (String, &dyn Optimizer)> {
        let groups = self.groups.iter().enumerate();
        let groups =
            groups.filter_map(|(i, group)| Some((format!("group {i}/"), &**group.optimizer.as_ref()?)));
        groups.chain([("others/".to_string(), &*self.others)])
    }
}

impl Optimizer for Groups {
    /// One step of every group.
    ///
    /// # Errors
    /// Those of the optimisers; [`Error::NoSuchSite`] with the names that there are, if a pattern is that of none.
    fn step(&mut self, params: &mut Params, gradients: Params) -> Result<()> {
        let mut parts = self.parted(&gradients)?;
        drop(gradients);
        if let Err(refused) = self.refusal(params, &parts) {
            return match refused {
                Error::NotFinite { .. } => self.on_not_finite(refused),
                other => Err(other),
            };
        }
        let others = parts.pop().unwrap_or_default();
        for (group, gradients) in self.groups.iter_mut().zip(parts) {
            if let Some(optimizer) = &mut group.optimizer {
                optimizer.step(params, gradients)?;
            }
        }
        self.others.step(params, others)
    }

    fn check(&self, params: &Params, gradients: &Params) -> Result<()> {
        self.refusal(params, &self.parted(gradients)?)
    }

    fn state(&self) -> Result<Params> {
        let mut state = Params::new();
        for (prefix, optimizer) in self.named() {
            under(&prefix, &optimizer.state()?, &mut state)?;
        }
        Ok(state)
    }

    fn set_state(&mut self, state: &Params) -> Result<()> {
        for (i, group) in self.groups.iter_mut().enumerate() {
            if let Some(optimizer) = &mut group.optimizer {
                optimizer.set_state(&inside(&format!("group {i}/"), state)?)?;
            }
        }
        self.others.set_state(&inside("others/", state)?)
    }

    /// The optimiser of the rest decides.
    fn on_not_finite(&mut self, refused: Error) -> Result<()> {
        self.others.on_not_finite(refused)
    }

    fn num_skipped(&self) -> u64 {
        self.others.num_skipped()
    }
}
