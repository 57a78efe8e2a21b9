//! Which parameters weight decay shrinks.

use super::pattern::Pattern;
use crate::trace::SiteName;

/// Which parameters are weights, for which zero is the plainest value.
#[derive(Clone, Debug, Default)]
pub(super) struct Decay {
    /// Who decays, if the user says so.
    patterns: Vec<Pattern>,
}

impl Decay {
    pub(super) fn add(&mut self, pattern: Pattern) {
        self.patterns.push(pattern);
    }

    /// Whether a parameter shrinks.
    pub(super) fn shrinks(&self, name: &SiteName) -> bool {
        if self.patterns.is_empty() {
            return is_weight(name.as_str());
        }
        self.patterns.iter().any(|pattern| pattern.matches(name.as_str()))
    }
}

/// Whether zero is nothing in particular for a parameter of this name, as layers, processes and guides name theirs: a
/// deviation's logarithm or its inverse softplus means "about one" at zero, a factor of a normaliser or of an ensemble's
/// member rests at one, and a bias says where the data are.
fn is_weight(name: &str) -> bool {
    const PARTS: [&str; 4] = ["alpha", "gamma", "inducing_inputs", "inducing_outputs"];
    const LAST: [&str; 10] = [
        "scale",
        "scales",
        "scale_tril",
        "shift",
        "offset",
        "beta",
        "constant",
        "unconditional",
        "lengthscale",
        "variance",
    ];
    let parts = || name.split(['/', '.']);
    let is_bias = |part: &str| part == "bias" || part.ends_with("_bias");
    let last = parts().next_back().unwrap_or_default();
    let unconstrained = last.starts_with("raw_") || last.starts_with("log_") || last.starts_with("logit");
    !unconstrained && !LAST.contains(&last) && !parts().any(|part| is_bias(part) || PARTS.contains(&part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shrinks_weights_and_their_means_and_nothing_else_unless_told() {
        let decay = Decay::default();
        let shrinks = |name: &str| decay.shrinks(&SiteName::from(name.to_string()));
        for weight in [
            "x",
            "w",
            "dense/kernel",
            "net/0/kernel/loc",
            "lstm/recurrent_kernel",
            "embedding/table",
            "unbiased",
        ] {
            assert!(shrinks(weight), "{weight}");
        }
        for other in [
            "dense/bias",
            "dense/bias/loc",
            "lstm_cell/recurrent_bias",
            "dense/kernel/raw_scale",
            "layer_norm/scale",
            "batch_norm/offset",
            "act_norm/log_scale",
            "dense/alpha",
            "dense/gamma/loc",
            "x.log_scale",
            "full_rank.scale_tril",
            "gp/raw_lengthscale",
            "sparse_gaussian_process/inducing_inputs",
        ] {
            assert!(!shrinks(other), "{other}");
        }
        let mut told = Decay::default();
        told.add(Pattern::new("*bias"));
        assert!(told.shrinks(&"dense/bias".into()) && !told.shrinks(&"dense/kernel".into()));
    }
}
