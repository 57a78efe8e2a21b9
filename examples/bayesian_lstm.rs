//! A Bayesian LSTM and its deterministic twin foretell the next symbol: how close do they come to what can be known?
//!
//! The program is the one of the Bayesian Layers poster. Its cell believes in its weights and draws them once for each
//! batch of sequences; the divergence of what it believes from its prior is a part of the loss. Put `LstmCell` in place
//! of `LstmCellReparameterization` and it is an ordinary network.
//!
//! By default it reads strings of the embedded Reber grammar. Their entropy is known exactly, and no model can have a
//! lower mean negative log-likelihood; to reach it, a model has to remember the second symbol of a string to its end.
//! `--text FILE` reads the characters of a text instead, and holds out its last tenth.
//!
//! `cargo run --release --example bayesian_lstm` takes less than a minute on two cores, with a cell of 64 units: the
//! grammar needs no more. The poster's has 512, and so has this one with `--units 512`, at a price in time.

mod common;

use std::collections::BTreeMap;

use common::{Options, Own, Report};
use ed::data::{Batches, REBER_SYMBOLS, embedded_reber, embedded_reber_entropy};
use ed::inference::Trained;
use ed::layers::estimator::Estimator;
use ed::params::optimizer::{Adam, Schedule};
use ed::prelude::*;
use ed::table::{Cell, Table};

/// Sequences of one length: what is seen, and what follows it.
struct Batch {
    /// `[steps, batch, symbols]`, one 1 in each row.
    features: Var<(usize, usize, usize)>,
    /// `[steps, batch]`, the codes of the symbols that follow.
    labels: Var<(usize, usize)>,
}

impl Batch {
    fn of(sequences: &[&[u8]], num_symbols: usize) -> Result<Batch> {
        let (batch, steps) = (sequences.len(), sequences[0].len() - 1);
        let mut features = vec![0f32; steps * batch * num_symbols];
        let mut labels = vec![0f32; steps * batch];
        for (row, sequence) in sequences.iter().enumerate() {
            for t in 0..steps {
                features[(t * batch + row) * num_symbols + usize::from(sequence[t])] = 1.0;
                labels[t * batch + row] = f32::from(sequence[t + 1]);
            }
        }
        Ok(Batch {
            features: Var::from_vec(features, (steps, batch, num_symbols))?,
            labels: Var::from_vec(labels, (steps, batch))?,
        })
    }

    fn steps(&self) -> usize {
        self.labels.shape().0
    }

    fn size(&self) -> usize {
        self.labels.shape().1
    }
}

/// The network: a cell that may believe in its weights, and a dense output.
struct Network<W: Estimator> {
    lstm: LstmCell<W>,
    output: Dense,
}

impl<W: Estimator> Network<W> {
    fn new(lstm: LstmCell<W>, num_symbols: usize) -> Self {
        Network { lstm, output: Dense::new(num_symbols) }
    }

    /// The poster's loop: mean negative log-likelihood of a sequence, in nats. The divergence `kl` of the cell's weights
    /// is added by whoever runs this: `Train` takes what the run's beliefs cost, divided by the number of training
    /// sequences.
    fn nll(&self, batch: &Batch) -> Result<Var<()>> {
        let mut state = self.lstm.zero_state(batch.size());
        let mut nll = Var::scalar(0.0);
        for t in 0..batch.steps() {
            let net;
            (net, state) = self.lstm.step(batch.features.at(t)?, state)?;
            let logits = self.output.forward(net)?;
            nll = nll + softmax_cross_entropy(logits, &batch.labels.at(t)?)?;
        }
        nll.check()
    }

    /// Log-probability of each symbol given those before it, step after step.
    fn log_probs(&self, batch: &Batch) -> Result<Vec<f32>> {
        let mut state = self.lstm.zero_state(batch.size());
        let mut log_probs = Vec::new();
        for t in 0..batch.steps() {
            let net;
            (net, state) = self.lstm.step(batch.features.at(t)?, state)?;
            let next = Categorical::from_logits(self.output.forward(net)?)?;
            log_probs.extend(next.log_prob(&batch.labels.at(t)?)?.to_vec()?);
        }
        Ok(log_probs)
    }

    /// A sequence that begins with `first`, drawn symbol by symbol until `is_over`.
    fn sample(
        &self,
        num_symbols: usize,
        first: u8,
        key: Key,
        is_over: impl Fn(&[u8]) -> bool,
    ) -> Result<Vec<u8>> {
        let mut state = self.lstm.zero_state(1);
        let mut sequence = vec![first];
        while !is_over(&sequence) {
            let mut seen = vec![0f32; num_symbols];
            seen[usize::from(sequence[sequence.len() - 1])] = 1.0;
            let net;
            (net, state) = self.lstm.step(Var::from_vec(seen, (1usize, num_symbols))?, state)?;
            let next = Categorical::from_logits(self.output.forward(net)?)?;
            sequence.push(next.sample(key.fold_in(sequence.len() as u64))?.to_vec()?[0] as u8);
        }
        Ok(sequence)
    }
}

/// Sequences to learn from and sequences held out.
struct Task {
    name: &'static str,
    symbols: Vec<char>,
    train: Vec<Vec<u8>>,
    test: Vec<Vec<u8>>,
    /// What a symbol's negative log-likelihood is divided by: 1 for nats, `ln 2` for bits.
    unit: f64,
    /// The least possible mean negative log-likelihood of a symbol that is held out, where it is known.
    floor: Option<f64>,
    /// Most symbols of a sequence that is drawn, and the symbol that ends one.
    longest: usize,
    last: Option<u8>,
}

fn reber(options: &Options) -> Task {
    let strings = |name, count: u64| -> Vec<Vec<u8>> {
        let key = Key::new(options.seed).fold_in_str(name);
        (0..count).map(|index| embedded_reber(key.fold_in(index))).collect()
    };
    let (train, test) =
        (strings("train", options.pick(20_000, 500)), strings("test", options.pick(5_000, 100)));
    let entropy: f64 = test.iter().map(|string| embedded_reber_entropy(string)).sum();
    Task {
        name: "reber",
        symbols: REBER_SYMBOLS.to_vec(),
        floor: Some(entropy / num_foretold(&test) as f64),
        train,
        test,
        unit: 1.0,
        longest: 60,
        last: REBER_SYMBOLS.iter().position(|&symbol| symbol == 'E').map(|code| code as u8),
    }
}

/// Windows of a text: short ones to learn from, long ones of its last tenth held out.
fn text(options: &Options, file: &str) -> Result<Task> {
    let text = std::fs::read_to_string(file)
        .map_err(|why| refused("text", "a text file", format!("{file}: {why}")))?;
    let mut symbols: Vec<char> = text.chars().collect();
    symbols.sort_unstable();
    symbols.dedup();
    if symbols.len() > 256 {
        let got = format!("{} in {file}", symbols.len());
        return Err(refused("text", "a text of at most 256 different characters", got));
    }
    let codes: Vec<u8> =
        text.chars().filter_map(|c| symbols.binary_search(&c).ok().map(|code| code as u8)).collect();
    let windows = |codes: &[u8], steps: usize| -> Vec<Vec<u8>> {
        let starts = (0..codes.len().saturating_sub(steps)).step_by(steps);
        starts.map(|start| codes[start..=start + steps].to_vec()).collect()
    };
    let (learnt, held_out) = codes.split_at(codes.len() / 10 * 9);
    let (mut train, mut test) = (windows(learnt, 64), windows(held_out, 512));
    train.truncate(options.pick(usize::MAX, 500));
    test.truncate(options.pick(usize::MAX, 4));
    if train.is_empty() || test.is_empty() {
        return Err(refused(
            "text",
            "a text of at least 6000 characters",
            format!("{file}: {}", codes.len()),
        ));
    }
    Ok(Task { name: "text", symbols, train, test, unit: 2f64.ln(), floor: None, longest: 400, last: None })
}

fn refused(name: &'static str, must_be: &'static str, got: String) -> Error {
    Error::Parameter { of: "the command line", name, must_be, got }
}

fn num_foretold(sequences: &[Vec<u8>]) -> usize {
    sequences.iter().map(|sequence| sequence.len() - 1).sum()
}

/// The places of the sequences of each length.
fn by_length(sequences: &[Vec<u8>]) -> BTreeMap<usize, Vec<usize>> {
    let mut groups = BTreeMap::<usize, Vec<usize>>::new();
    for (place, sequence) in sequences.iter().enumerate() {
        groups.entry(sequence.len()).or_default().push(place);
    }
    groups
}

impl Task {
    fn batch(&self, sequences: &[Vec<u8>], places: &[usize]) -> Result<Batch> {
        let sequences: Vec<&[u8]> = places.iter().map(|&place| sequences[place].as_slice()).collect();
        Batch::of(&sequences, self.symbols.len())
    }

    /// Batches of sequences of one length: that of a sequence chosen at random, with others of its length. So every
    /// sequence counts the same on average, and nothing is padded.
    fn batches(&self, batch_size: usize, num_steps: usize, seed: u64) -> Result<Vec<Vec<usize>>> {
        let groups = by_length(&self.train);
        let mut batches: BTreeMap<usize, (Batches, usize)> = groups
            .iter()
            .map(|(&length, group)| Ok((length, (Batches::new(group.len(), batch_size, seed)?, 0))))
            .collect::<Result<_>>()?;
        let mut leaders = Batches::new(self.train.len(), 1, seed)?;
        let places = |step| {
            let length = self.train[leaders.rows(step)[0]].len();
            let (rows, used) = batches.get_mut(&length)?;
            *used += 1;
            Some(rows.rows(*used - 1).iter().map(|&row| groups[&length][row]).collect())
        };
        Ok((0..num_steps).filter_map(places).collect())
    }

    fn spell(&self, sequence: &[u8]) -> String {
        sequence.iter().map(|&code| self.symbols[usize::from(code)]).collect()
    }

    /// Mean negative log-likelihood of a held-out symbol, its probability averaged over draws of the weights.
    fn score<W: Estimator>(&self, network: &Network<W>, trained: &Trained, draws: usize) -> Result<f64> {
        let mut sum = 0.0;
        for (_, places) in by_length(&self.test) {
            for places in places.chunks(256) {
                let batch = self.batch(&self.test, places)?;
                let log_probs = trained.predict(draws, 1, || network.log_probs(&batch))?;
                for symbol in 0..log_probs[0].len() {
                    let probs = log_probs.iter().map(|draw| f64::from(draw[symbol]).exp());
                    sum -= (probs.sum::<f64>() / draws as f64).ln();
                }
            }
        }
        Ok(sum / num_foretold(&self.test) as f64 / self.unit)
    }

    /// Trains a network, adds its row to the table, and returns sequences drawn from it.
    fn run<W: Estimator>(
        &self,
        (name, key, draws): (&str, &str, usize),
        network: &Network<W>,
        options: &Options,
        report: &mut Report,
        table: &mut Table,
    ) -> Result<Vec<String>> {
        let is_text = self.floor.is_none();
        let steps = options.number("steps", options.pick(if is_text { 3_000 } else { 2_000 }, 20))?;
        let batches = self.batches(options.pick(if is_text { 64 } else { 256 }, 32), steps, options.seed)?;
        let trained =
            Train::new(self.train.len(), |step| network.nll(&self.batch(&self.train, &batches[step])?))
                .optimizer(Adam::new(Schedule::cosine(0.01, steps as u64)))
                .steps(steps)
                .run(options.seed)?;

        let first = self.batch(&self.train, &batches[0])?;
        let cost = || with_kl::<_, f32>(1, || network.nll(&first).map(|_| ()));
        let kl = f64::from(trained.predict(1, 0, cost)?[0].1.item()?);
        let nll = self.score(network, &trained, draws)?;
        let mut cells = vec![Cell::from(name), Cell::from(nll)];
        report.add(format!("{key}.nll"), nll);
        if let Some(floor) = self.floor {
            let gap = 100.0 * (nll / floor - 1.0);
            report.add(format!("{key}.gap_percent"), gap);
            cells.extend([Cell::from(floor), Cell::from(gap)]);
        }
        report.add(format!("{key}.kl"), kl);
        cells.push(Cell::from(kl / self.train.len() as f64));
        table.push(cells);

        let num_samples = options.pick(if is_text { 1 } else { 6 }, 1);
        let longest = options.pick(self.longest, 20);
        let is_over = |sequence: &[u8]| {
            // A Reber string has an `E` inside, before the last symbol but one, and one at its end.
            let ends = sequence.iter().filter(|&&code| Some(code) == self.last).count();
            ends == 2 || sequence.len() >= longest
        };
        let start = self.test[0][0];
        let draw = |index| {
            let key = Key::new(options.seed).fold_in_str("sample").fold_in(index);
            let sample = || network.sample(self.symbols.len(), start, key, is_over);
            Ok(self.spell(&trained.predict(1, index, sample)?[0]))
        };
        (0..num_samples).map(draw).collect()
    }
}

fn example(options: &Options, report: &mut Report) -> Result<()> {
    let task = match options.value("text") {
        Some(file) => text(options, file)?,
        None => reber(options),
    };
    let (units, symbols) = (options.number("units", options.pick(64, 16))?, task.symbols.len());
    println!(
        "{}: {} sequences of {symbols} different symbols to learn from, {} held out ({} symbols); {units} units",
        task.name,
        task.train.len(),
        task.test.len(),
        num_foretold(&task.test),
    );
    let mut table = match task.floor {
        Some(_) => Table::new(["", "nats a symbol", "entropy rate", "gap %", "KL a sequence"]),
        None => Table::new(["", "bits a character", "KL a sequence"]),
    }
    .digits(4);
    if let Some(floor) = task.floor {
        report.add("entropy_rate", floor);
    }

    let bayesian = Network::new(LstmCellReparameterization::new(units), symbols);
    let drawn =
        task.run(("Bayesian", "bayes", options.pick(16, 2)), &bayesian, options, report, &mut table)?;
    let twin = Network::new(LstmCell::new(units), symbols);
    task.run(("deterministic twin", "twin", 1), &twin, options, report, &mut table)?;

    println!(
        "\n{table}\nOn sequences held out; the Bayesian network's probabilities are averaged over draws of its weights."
    );
    println!(
        "\nDrawn from the Bayesian network, each with its own draw of the weights:\n\n{}",
        drawn.join("\n")
    );
    Ok(())
}

const OWN: [Own; 3] = [
    Own { name: "text", value: "FILE", about: "read the characters of a text instead of the Reber grammar" },
    Own { name: "units", value: "N", about: "hidden units of the cell (default 64; the poster has 512)" },
    Own { name: "steps", value: "N", about: "steps of training (default 2000, for a text 3000)" },
];

fn main() -> std::process::ExitCode {
    common::run_with("A Bayesian LSTM and its deterministic twin foretell the next symbol.", &OWN, example)
}
