//! Small tracers and helpers that several tests use.

use ed::prelude::*;

/// One number in double precision.
pub fn scalar(x: f64) -> Var<(), f64> {
    Var::scalar(x)
}

/// The normal log-density, written out.
pub fn ln_normal(x: f64, loc: f64, scale: f64) -> f64 {
    -0.5 * ((x - loc) / scale).powi(2) - scale.ln() - 0.5 * std::f64::consts::TAU.ln()
}

/// What a program that must fail says.
pub fn message<T>(refused: Result<T>) -> String {
    match refused {
        Ok(_) => panic!("the program did not fail"),
        Err(error) => error.to_string(),
    }
}

/// Two random variables and their sum: `x ~ N(0, 1)`, `y ~ N(x, 1)`.
#[model]
pub fn sum() -> Result<Var<(), f64>> {
    let x = sample(Normal::new(0.0, 1.0)?);
    let y = sample(Normal::new(&x, 1.0)?);
    Ok(x + y)
}

/// Values for both.
pub fn pair() -> Values {
    values![sum::x = scalar(1.0), sum::y = scalar(0.42)]
}

/// The value that a site of one number had.
pub fn value(trace: &Trace, name: &str) -> Result<f64> {
    trace.required(name)?.value()?.item()
}

/// Doubles every value on its way back.
pub struct Double;

impl Tracer for Double {
    fn trace(&self, site: &mut Site, next: Next) -> Result<()> {
        next.forward(site)?;
        site.value = Some(site.value()?.scaled(2.0));
        Ok(())
    }
}

/// Sets values by name.
pub struct Set {
    values: Values,
    forwards: bool,
}

impl Set {
    /// Sets values and passes the sites on.
    pub fn forwarding(values: Values) -> Set {
        Set { values, forwards: true }
    }

    /// Sets values and hides the sites from the tracers outside.
    pub fn hiding(values: Values) -> Set {
        Set { values, forwards: false }
    }
}

impl Tracer for Set {
    fn trace(&self, site: &mut Site, next: Next) -> Result<()> {
        if let Some(value) = self.values.get(&site.label()) {
            site.value = Some(value.clone());
        }
        if self.forwards { next.forward(site) } else { next.finish(site) }
    }
}
