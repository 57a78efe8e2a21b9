//! Trees of layers: names, handlers, summaries, checkpoints.

use std::path::Path;

use ed::layers::summary;
use ed::params::{Params, value_and_gradients, with_params};
use ed::prelude::*;

type Batch = Var<(usize, usize)>;

/// A network of one's own.
#[derive(Clone, Debug, Layer)]
struct Network {
    blocks: Vec<Residual<Sequential<(Dense<Reparameterization>, (Relu, ()))>>>,
    extra: Option<LayerNorm>,
    readout: Dense<Reparameterization>,
    #[layer(skip)]
    temperature: f64,
}

impl Network {
    fn new(depth: usize, units: usize) -> Network {
        let block = || Residual(sequential![Dense::<Reparameterization>::new(units), Relu]);
        Network {
            blocks: (0..depth).map(|_| block()).collect(),
            extra: Some(LayerNorm::new()),
            readout: Dense::<Reparameterization>::new(2),
            temperature: 2.0,
        }
    }
}

impl Apply<Batch> for Network {
    type Output = Batch;
    fn apply(&self, mut x: Batch) -> Result<Batch> {
        for block in &self.blocks {
            x = block.forward(x)?;
        }
        if let Some(norm) = &self.extra {
            x = norm.forward(x)?;
        }
        Ok(self.readout.forward(x)? / self.temperature)
    }
}

/// A choice of layers.
#[derive(Clone, Debug, Layer)]
enum Readout {
    Linear(Dense),
    Deep { hidden: Dense, last: Dense },
}

impl Apply<Batch> for Readout {
    type Output = Batch;
    fn apply(&self, x: Batch) -> Result<Batch> {
        match self {
            Readout::Linear(dense) => dense.forward(x),
            Readout::Deep { hidden, last } => last.forward(hidden.forward(x)?.relu()),
        }
    }
}

fn batch() -> Batch {
    Var::from_vec((0..12).map(|i| (i as f32).sin()).collect(), (4, 3)).unwrap_or_else(|_| Var::zeros((4, 3)))
}

fn names(params: &Params) -> Vec<&str> {
    params.names().map(SiteName::as_str).collect()
}

#[test]
fn fields_lists_and_options_are_paths() -> Result<()> {
    let net = Network::new(2, 3);
    let mut params = Params::new();
    seed(0, || net.init(&mut params, batch()))?;
    let weight = |path: &str| {
        [format!("{path}/kernel/loc"), format!("{path}/kernel/raw_scale"), format!("{path}/bias")]
    };
    let mut expected = Vec::new();
    expected.extend(weight("blocks/0/inner/0"));
    expected.extend(weight("blocks/1/inner/0"));
    expected.extend(["extra/scale".into(), "extra/offset".into()]);
    expected.extend(weight("readout"));
    assert_eq!(names(&params), expected);

    let (_, trace) = seed(0, || tape(&|| nested_as("net", || net.forward(batch()))))?;
    let sites: Vec<&str> = trace.names().map(SiteName::as_str).collect();
    assert_eq!(sites, ["net/blocks/0/inner/0/kernel", "net/blocks/1/inner/0/kernel", "net/readout/kernel"]);
    Ok(())
}

#[test]
fn variants_have_the_layers_that_they_have() -> Result<()> {
    let deep = Readout::Deep { hidden: Dense::new(4), last: Dense::new(1) };
    let mut params = Params::new();
    seed(0, || deep.init(&mut params, batch()))?;
    assert_eq!(names(&params), ["hidden/kernel", "hidden/bias", "last/kernel", "last/bias"]);
    let mut params = Params::new();
    seed(0, || Readout::Linear(Dense::new(1)).init(&mut params, batch()))?;
    assert_eq!(names(&params), ["0/kernel", "0/bias"]);
    Ok(())
}

#[test]
fn two_layers_of_one_name_are_refused_and_one_layer_twice_is_shared() -> Result<()> {
    let (one, two) = (Dense::new(3), Dense::new(3));
    let mut params = Params::new();
    let clash =
        seed(0, || value_and_gradients(&mut params, || Ok(two.forward(one.forward(batch())?)?.sum())));
    let message = clash.map(|_| ()).unwrap_err().to_string();
    assert!(message.contains("`dense`") && message.contains(".named("), "{message}");

    let two = two.named("second");
    let mut params = Params::new();
    seed(0, || value_and_gradients(&mut params, || Ok(two.forward(one.forward(batch())?)?.sum())))?;
    assert_eq!(names(&params), ["dense/kernel", "dense/bias", "second/kernel", "second/bias"]);

    let mut params = Params::new();
    let shared = one.clone();
    seed(0, || value_and_gradients(&mut params, || Ok(shared.forward(one.forward(batch())?)?.sum())))?;
    assert_eq!(names(&params), ["dense/kernel", "dense/bias"]);
    Ok(())
}

#[test]
fn a_summary_counts_every_parameter_once() -> Result<()> {
    let net = Network::new(1, 3);
    let mut params = Params::new();
    seed(0, || net.init(&mut params, batch()))?;
    let table = summary(&net, &params).to_string();
    for part in
        ["blocks/0/inner/0", "Dense(3, Reparameterization)", "readout", "LayerNorm", "scale [3], offset [3]"]
    {
        assert!(table.contains(part), "`{part}` is missing in\n{table}");
    }
    // 2 · 9 + 3, 3 + 3, 2 · 6 + 2.
    for count in ["21", "6", "14", "41"] {
        assert!(table.contains(count), "{count} is missing in\n{table}");
    }
    Ok(())
}

#[test]
fn saved_and_restored_a_network_gives_the_same_output() -> Result<()> {
    let path = std::env::temp_dir().join(format!("ed-networks-{}.safetensors", std::process::id()));
    let net = Network::new(2, 3);
    let mut params = Params::new();
    let before = seed(5, || net.init(&mut params, batch()))?.detach().to_vec()?;
    params.save(&path)?;
    let twin = Network::new(2, 3);
    let mut other = Params::new();
    seed(99, || twin.init(&mut other, batch()))?;
    let apart = with_params(&other, || seed(5, || twin.forward(batch())))?.to_vec()?;
    assert_ne!(before, apart);
    other.restore(&path)?;
    let after = with_params(&other, || seed(5, || twin.forward(batch())))?.to_vec()?;
    assert_eq!(before, after);

    let mut larger = Params::new();
    seed(0, || Network::new(3, 3).init(&mut larger, batch()))?;
    let missing = larger.restore(&path).unwrap_err().to_string();
    assert!(missing.contains("`blocks/2/inner/0/kernel/loc`"), "{missing}");
    std::fs::remove_file(&path).ok();
    Ok(())
}

/// The file was written by Python's safetensors; see `tests/golden/gen_safetensors.py`.
#[test]
fn reads_what_python_wrote() -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/python.safetensors");
    let params = Params::load(path)?;
    assert_eq!(names(&params), ["net/0/bias", "net/0/kernel"]);
    assert_eq!(params.required("net/0/kernel")?.dims().to_string(), "[2, 3]");
    assert_eq!(params.required("net/0/kernel")?.to_vec()?, [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]);
    assert_eq!(params.required("net/0/bias")?.to_vec()?, [1e-300]);
    Ok(())
}

/// `ED_PYTHON=PYTHON cargo test --test it python_reads -- --ignored`, with a Python that has `safetensors` and `numpy`.
#[test]
#[ignore = "needs a Python with safetensors, named in ED_PYTHON"]
fn python_reads_what_we_wrote() -> Result<()> {
    let python = std::env::var("ED_PYTHON").unwrap_or_else(|_| "python3".into());
    let path = std::env::temp_dir().join(format!("ed-python-{}.safetensors", std::process::id()));
    let mut params = Params::new();
    params.insert("net/0/kernel", Var::from_vec(vec![0.0f32, 0.5, 1.0, 1.5, 2.0, 2.5], (2usize, 3usize))?)?;
    params.insert("net/0/bias", Var::from([1e-300f64]))?;
    params.save(&path)?;
    let program = "import sys; from safetensors.numpy import load_file; t = load_file(sys.argv[1]); \
                   print(t['net/0/kernel'].tolist(), t['net/0/bias'].tolist(), t['net/0/bias'].dtype)";
    let output = std::process::Command::new(python).args(["-c", program]).arg(&path).output();
    let output = output.map_err(|why| Error::Io { path: path.clone(), why: why.to_string() })?;
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "[[0.0, 0.5, 1.0], [1.5, 2.0, 2.5]] [1e-300] float64",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    std::fs::remove_file(&path).ok();
    Ok(())
}
