//! What every example shares: its command line, and the report of the figures that it prints.

// Each example compiles this file for itself and uses what it needs.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use std::{env, fs, io};

const OPTIONS: &str =
    "  --seed N       seed of all random numbers (default 0); the same seed gives the same figures
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
    own: Vec<(&'static str, String)>,
}

/// An option of one example: `--name VALUE`.
#[derive(Clone, Copy, Debug)]
pub struct Own {
    /// Its name, without dashes.
    pub name: &'static str,
    /// What comes after it, in capitals: `FILE`, `N`.
    pub value: &'static str,
    /// What it does.
    pub about: &'static str,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>, own: &[Own]) -> Result<Options, String> {
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
                _ if own.iter().any(|own| name.strip_prefix("--") == Some(own.name)) => {
                    let own = own.iter().find(|own| name.strip_prefix("--") == Some(own.name));
                    if let Some(own) = own {
                        options.own.push((own.name, value(own.value)?));
                    }
                }
                _ => return Err(format!("there is no option `{argument}`")),
            }
        }
        Ok(options)
    }

    /// The value of an option of the example's own; the last one, if it was given more than once.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.own.iter().rev().find(|(own, _)| *own == name).map(|(_, value)| value.as_str())
    }

    /// The number of an option of the example's own, or `default`.
    ///
    /// # Errors
    /// A sentence if it is no such number.
    pub fn number<T: std::str::FromStr>(&self, name: &'static str, default: T) -> ed::Result<T> {
        let Some(value) = self.value(name) else { return Ok(default) };
        value.parse().map_err(|_| ed::Error::Parameter {
            of: "the command line",
            name,
            must_be: "a number that fits",
            got: format!("`{value}`"),
        })
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
    run_with(about, &[], example)
}

/// As [`run`], with options of the example's own.
pub fn run_with(
    about: &str,
    own: &[Own],
    example: impl FnOnce(&Options, &mut Report) -> ed::Result<()>,
) -> ExitCode {
    let own_lines = own.iter().map(|own| {
        let name = format!("--{} {}", own.name, own.value);
        format!("  {name:<14} {}\n", own.about)
    });
    let listed = format!("Options:\n{}{OPTIONS}", own_lines.collect::<String>());
    let options = match Options::parse(env::args().skip(1), own) {
        Ok(options) if options.help => {
            println!("{about}\n\n{listed}");
            return ExitCode::SUCCESS;
        }
        Ok(options) => options,
        Err(why) => {
            eprintln!("{why}.\n\n{listed}");
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
