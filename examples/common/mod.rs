//! What every example shares: its command line, and the report of the figures that it prints.

// Each example compiles this file for itself and uses what it needs.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use std::{env, fs, io};

const OPTIONS: &str = "\
Options:
  --seed N       seed of all random numbers (default 0); the same seed gives the same figures
  --quick        a short run, to see that it works
  --json FILE    also write the figures to FILE, as one flat JSON object
  --help         this text";

/// The command line of an example.
#[derive(Debug, Default)]
pub struct Options {
    /// Seed of all random numbers.
    pub seed: u64,
    /// Whether to run briefly.
    pub quick: bool,
    json: Option<PathBuf>,
    help: bool,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options::default();
        while let Some(argument) = arguments.next() {
            let (name, attached) = match argument.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (argument.as_str(), None),
            };
            let mut value = |what| {
                let value = attached.clone().or_else(|| arguments.next());
                value.ok_or_else(|| format!("the option `{name}` needs {what} after it"))
            };
            match name {
                "--seed" => {
                    let seed = value("a number")?;
                    options.seed = seed
                        .parse()
                        .map_err(|_| format!("the seed must be a whole number from 0 on, got `{seed}`"))?;
                }
                "--json" => options.json = Some(value("a file")?.into()),
                "--quick" if attached.is_none() => options.quick = true,
                "--help" | "-h" if attached.is_none() => options.help = true,
                _ => return Err(format!("there is no option `{argument}`")),
            }
        }
        Ok(options)
    }

    /// `full`, or `quick` in a quick run.
    pub fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}

/// The figures of an example, in the order in which they were found.
#[derive(Debug, Default)]
pub struct Report {
    figures: Vec<(String, f64)>,
}

impl Report {
    /// Adds a figure under a name like `bayes.accuracy`.
    pub fn add(&mut self, name: impl Into<String>, figure: f64) {
        self.figures.push((name.into(), figure));
    }

    /// One flat JSON object. JSON has no number that is not finite: such a figure becomes `null`.
    fn to_json(&self) -> String {
        let line = |(name, figure): &(String, f64)| match figure.is_finite() {
            true => format!("  {name:?}: {figure:?}"),
            false => format!("  {name:?}: null"),
        };
        let lines: Vec<String> = self.figures.iter().map(line).collect();
        format!("{{\n{}\n}}\n", lines.join(",\n"))
    }
}

/// Writes a whole file or none.
fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.tmp", std::process::id()));
    fs::write(&temporary, text)?;
    fs::rename(&temporary, path)
}

/// Runs an example: reads its command line, times it, prints its error as a sentence, and writes its figures.
///
/// The exit code is 0, 1 after an error of the example, and 2 after a command line that makes no sense.
pub fn run(about: &str, example: impl FnOnce(&Options, &mut Report) -> ed::Result<()>) -> ExitCode {
    let options = match Options::parse(env::args().skip(1)) {
        Ok(options) if options.help => {
            println!("{about}\n\n{OPTIONS}");
            return ExitCode::SUCCESS;
        }
        Ok(options) => options,
        Err(why) => {
            eprintln!("{why}.\n\n{OPTIONS}");
            return ExitCode::from(2);
        }
    };
    let start = Instant::now();
    let mut report = Report::default();
    if let Err(error) = example(&options, &mut report) {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    let seconds = start.elapsed().as_secs_f64();
    report.add("seconds", seconds);
    println!("\n{seconds:.1} s");
    if let Some(path) = &options.json
        && let Err(why) = write(path, &report.to_json())
    {
        eprintln!("the figures could not be written to {}: {why}", path.display());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
