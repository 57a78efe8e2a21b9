//! Every plot writes a picture with ink on it, and refuses what it cannot draw.
//!
//! With `ED_PLOT_FOLDER` set, the pictures stay in that folder to be looked at.

use super::*;
use crate::atomic_file::test_folder;
use crate::diagnostics::calibration::Predictions;
use std::fs;
use std::path::PathBuf;

/// Saves into a folder, reads back, and returns size and distinct colours of the picture.
fn picture(name: &str, save: impl FnOnce(&PathBuf) -> Result<(), PlotError>) -> ((u32, u32), usize) {
    let kept = std::env::var_os("ED_PLOT_FOLDER").map(PathBuf::from);
    let folder = kept.clone().unwrap_or_else(|| test_folder(name));
    let path = folder.join(format!("pictures/{name}.png"));
    save(&path).unwrap();
    let mut reader = png::Decoder::new(fs::File::open(&path).unwrap()).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size()];
    let info = reader.next_frame(&mut pixels).unwrap();
    if kept.is_none() {
        fs::remove_dir_all(folder).unwrap();
    }
    let colours: std::collections::HashSet<&[u8]> = pixels.chunks_exact(3).collect();
    ((info.width, info.height), colours.len())
}

/// Numbers that look like standard normal draws: centred sums of hashed uniforms.
fn noise(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut uniform = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    (0..count).map(|_| (0..12).map(|_| uniform()).sum::<f64>() - 6.0).collect()
}

fn steps(count: usize) -> Vec<f64> {
    (0..count).map(|i| i as f64).collect()
}

#[test]
fn draws_losses_on_linear_and_logarithmic_axes() {
    let steps = steps(500);
    let loss = |rate: f64, seed| -> Vec<f64> {
        let noise = noise(500, seed);
        steps.iter().zip(noise).map(|(t, e)| (800.0 * (-t / rate).exp() + 2.0) * (0.1 * e).exp()).collect()
    };
    let plot = |title: &str| {
        LinePlot::new(title, "step", "negative ELBO (nats)")
            .series("mean field", &steps, &loss(60.0, 1))
            .series("full rank", &steps, &loss(90.0, 2))
            .series("normalising flow", &steps, &loss(40.0, 3))
    };
    let (size, colours) = picture("line", |path| plot("Training of three guides").save(path));
    assert_eq!(size, (1200, 740));
    assert!(colours > 50, "lines, text and their smooth edges: {colours}");
    let (_, colours) =
        picture("line_log", |path| plot("Training of three guides, logarithmic").log_y().save(path));
    assert!(colours > 50);
}

#[test]
fn overlays_densities_of_draws_and_a_known_curve() {
    let shifted: Vec<f64> = noise(4000, 2).iter().map(|x| 0.7 * x + 0.5).collect();
    let x: Vec<f64> = (-40..=40).map(|i| f64::from(i) / 10.0).collect();
    let exact: Vec<f64> = x.iter().map(|x| (-0.5 * x * x).exp() / 2.506_628_274_631).collect();
    let (_, colours) = picture("density", |path| {
        DensityPlot::new("Posterior of the slope β", "β")
            .draws("NUTS", &noise(4000, 1))
            .draws("mean field", &shifted)
            .curve("exact", &x, &exact)
            .truth(0.2)
            .save(path)
    });
    assert!(colours > 50);
}

#[test]
fn sets_intervals_of_methods_side_by_side() {
    let names: Vec<String> =
        ["mu", "tau"].map(str::to_owned).into_iter().chain((0..8).map(|i| format!("theta[{i}]"))).collect();
    let intervals = |shift: f64, width: f64| -> Vec<Interval> {
        (0..10)
            .map(|i| f64::from(i * 7 % 10) + shift)
            .map(|mid| Interval { low: mid - width, mid, high: mid + 1.3 * width })
            .collect()
    };
    let ((_, height), _) = picture("interval", |path| {
        IntervalPlot::new("Eight schools: central 90 % intervals", "effect of coaching (points)", &names)
            .method("NUTS", &intervals(0.0, 5.0))
            .method("full-rank guide", &intervals(0.5, 4.0))
            .method("mean-field guide", &intervals(1.0, 2.5))
            .reference(0.0)
            .save(path)
    });
    assert_eq!(height, 2 * (10 * 36 + 110), "grows with rows and methods");
    let of = Interval::of(&steps(101));
    assert!((of.low - 5.0).abs() < 1e-12 && of.mid == 50.0 && (of.high - 95.0).abs() < 1e-12);
}

#[test]
fn draws_one_trace_panel_a_scalar() {
    let chains = |scale: f64| (1..=4).map(|c| noise(500, c).iter().map(|x| scale * x).collect()).collect();
    let (mu, tau): (Vec<Vec<f64>>, Vec<Vec<f64>>) = (chains(1.0), chains(120.0));
    let (_, colours) = picture("trace", |path| {
        TracePlot::new("Eight schools: draws after warm-up").scalar("mu", &mu).scalar("tau", &tau).save(path)
    });
    assert!(colours > 50);
}

#[test]
fn draws_one_rank_histogram_a_chain() {
    let mut chains: Vec<Vec<f64>> = (1..=4).map(|c| noise(1000, c)).collect();
    chains[3].iter_mut().for_each(|x| *x = 0.6 * *x + 0.4);
    let ((_, height), colours) = picture("rank", |path| RankPlot::new("Ranks of mu", &chains).save(path));
    assert!(height == 2 * (4 * 75 + 90) && colours > 50);
}

#[test]
fn compares_the_calibration_of_models() {
    let model = |sharpness: f64, seed| {
        let logits = noise(3000, seed);
        let probs: Vec<f64> = logits
            .iter()
            .flat_map(|z| {
                let p = 1.0 / (1.0 + (-sharpness * z).exp());
                [p, 1.0 - p]
            })
            .collect();
        let labels: Vec<usize> =
            logits.iter().zip(noise(3000, seed + 50)).map(|(z, e)| usize::from(z + 1.2 * e < 0.0)).collect();
        Predictions::new(&probs, &labels).unwrap().reliability(15)
    };
    let (_, colours) = picture("reliability", |path| {
        ReliabilityPlot::new("Calibration on held-out digits")
            .model("deterministic", &model(4.0, 1))
            .model("flipout", &model(1.6, 2))
            .model("deep ensemble", &model(1.2, 3))
            .save(path)
    });
    assert!(colours > 50);
}

#[test]
fn shows_images_with_their_predictions() {
    let digits = crate::data::digits();
    let mut grid = ImageGrid::new("Held-out digits and predicted classes", 8, 5);
    for i in 0..10 {
        let label = usize::from(digits.labels[i]);
        let mut probs = [0.02; 10];
        probs[label] = if i == 8 { 0.32 } else { 0.82 };
        probs[(label + 5) % 10] += if i == 8 { 0.5 } else { 0.0 };
        let entropy: f64 = probs.iter().map(|p: &f64| -p * p.ln()).sum();
        grid = grid.item(format!("H = {entropy:.2}"), digits.image(i).unwrap(), &probs, Some(label));
    }
    let ((width, height), colours) = picture("image_grid", |path| grid.save(path));
    assert_eq!((width, height), (2 * (5 * 112 + 24), 2 * (2 * 166 + 46)));
    assert!(colours > 50);
    let alone =
        (0..10).fold(ImageGrid::new("Digits", 8, 5), |grid, i| grid.image("", digits.image(i).unwrap()));
    let ((_, lower), _) = picture("images_alone", |path| alone.save(path));
    assert_eq!(lower, 2 * (2 * 114 + 46));
}

#[test]
fn maps_a_field_with_points_on_it() {
    let side = 60;
    let at = |i: usize| 6.0 * (i % side) as f64 / 59.0 - 3.0;
    let values: Vec<f64> = (0..side * side)
        .map(|i| (at(i), 6.0 * (i / side) as f64 / 59.0 - 3.0))
        .map(|(x, y)| x.sin() * (y / 1.5).cos() * 40.0 + x)
        .collect();
    let (_, colours) = picture("heat", |path| {
        HeatMap::new("Posterior mean of a Gaussian process", &values, side, -3.0..3.0, -3.0..3.0)
            .labels("x₁", "x₂")
            .points(&[(0.5, 0.5), (-2.0, 1.0), (1.5, -2.0)])
            .save(path)
    });
    assert!(colours > 200, "a smooth field has many colours: {colours}");
}

#[test]
fn refuses_what_cannot_be_drawn() {
    let refused = |outcome: Result<(), PlotError>| outcome.unwrap_err().to_string();
    let path = "/nonexistent/never-written.png";
    assert_eq!(
        refused(LinePlot::new("", "", "").save(path)),
        "expected at least one of series to draw, got none"
    );
    let line = |x: &[f64], y: &[f64]| LinePlot::new("", "", "").series("s", x, y);
    assert_eq!(refused(line(&[0.0], &[]).save(path)), "values of series `s` must have 1 entries, got 0");
    assert!(refused(line(&[0.0], &[f64::NAN]).save(path)).contains("finite values"));
    assert!(refused(line(&[0.0], &[-1.0]).log_y().save(path)).contains("finite values"));
    assert!(refused(DensityPlot::new("", "").draws("d", &[f64::NAN]).save(path)).contains("draws of `d`"));
    assert!(refused(DensityPlot::new("", "").curve("c", &[0.0], &[]).save(path)).contains("got 0"));
    let forest = || IntervalPlot::new("", "", ["a", "b"]);
    assert!(refused(forest().save(path)).contains("methods"));
    assert!(refused(forest().method("m", &[Interval::of(&[1.0])]).save(path)).contains("must have 2"));
    assert!(refused(forest().method("m", &[Interval::of(&[]); 2]).save(path)).contains("finite intervals"));
    assert!(refused(TracePlot::new("").save(path)).contains("scalars"));
    assert!(refused(TracePlot::new("").scalar("t", &[vec![f64::NAN]]).save(path)).contains("`t`"));
    assert!(refused(RankPlot::new("", &[vec![1.0], vec![]]).save(path)).contains("chain 2"));
    assert!(refused(ReliabilityPlot::new("").model("m", &[]).save(path)).contains("`m`"));
    let grid = |width, probs: &[f64]| ImageGrid::new("", width, 3).item("i", &[0.0; 6], probs, None);
    assert!(refused(grid(4, &[1.0]).save(path)).contains("must have 4"));
    assert!(refused(grid(0, &[1.0]).save(path)).contains("pixels"));
    assert!(refused(grid(3, &[]).save(path)).contains("probabilities"));
    assert!(refused(HistogramPlot::new("", "").save(path)).contains("draws"));
    assert!(refused(HistogramPlot::new("", "").draws("h", &[f64::NAN]).save(path)).contains("draws of `h`"));
    assert!(refused(EnergyPlot::new("", &[[1.0]]).save(path)).contains("chain 1"));
    let check = |observed: &[f64], replications: &[Vec<f64>]| {
        refused(PredictivePlot::new("", "", observed, replications).save(path))
    };
    assert!(check(&[1.0], &[]).contains("replications"));
    assert!(
        check(&[], &[vec![1.0]]).contains("the data") && check(&[0.5], &[vec![]]).contains("a replication")
    );
    let heat = |values: &[f64], x| HeatMap::new("", values, 2, x, 0.0..1.0);
    assert!(refused(heat(&[0.0; 3], 0.0..1.0).save(path)).contains("must have 2"));
    assert!(refused(heat(&[0.0; 4], 1.0..1.0).save(path)).contains("range of x"));
    assert!(refused(heat(&[f64::NAN; 4], 0.0..1.0).save(path)).contains("finite values"));
    assert!(refused(heat(&[0.0; 4], 0.0..1.0).limits(1.0..1.0).save(path)).contains("limits 1.0..1.0"));
    let panels = (0..100_000).fold(TracePlot::new(""), |plot, i| plot.scalar(i.to_string(), &[[1.0]]));
    assert!(refused(panels.save(path)).contains("too large: leave out some"));
    assert!(refused(RankPlot::new("", &vec![vec![1.0]; 10_000]).save(path)).contains("too large"));
}

/// The colours of a picture, row after row, and its width.
fn pixels(name: &str, save: impl FnOnce(&PathBuf) -> Result<(), PlotError>) -> (Vec<[u8; 3]>, usize) {
    let folder = test_folder(name);
    let path = folder.join("picture.png");
    save(&path).unwrap();
    let mut reader = png::Decoder::new(fs::File::open(&path).unwrap()).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size()];
    let width = reader.next_frame(&mut pixels).unwrap().width as usize;
    fs::remove_dir_all(folder).unwrap();
    (pixels.chunks_exact(3).map(|p| [p[0], p[1], p[2]]).collect(), width)
}

#[test]
fn a_line_of_many_points_is_quick_strong_and_within_its_axes() {
    let spiky = |count: usize| -> Vec<f64> {
        (0..count).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 } * (i as f64 * 0.01).sin().abs()).collect()
    };
    for count in [3_000, 1_000_000] {
        let start = std::time::Instant::now();
        let (pixels, width) = pixels("many_points", |path| {
            LinePlot::new("Title", "x", "y").series("s", &steps(count), &spiky(count)).save(path)
        });
        assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
        let blue = |p: &[u8; 3]| *p == [0, 114, 178];
        assert!(pixels.iter().filter(|p| blue(p)).count() > 100_000, "{count} points are faint");
        // The title stands in the first 60 rows.
        assert!(!pixels[..60 * width].iter().any(blue), "{count} points reach into the title");
    }
}

#[test]
fn letters_of_many_alphabets_print_and_others_are_boxes() {
    let ink = |title: &str| {
        let plot = LinePlot::new(title, "", "").series("", &[0.0, 1.0], &[0.0, 1.0]);
        let (pixels, width) = pixels("letters", |path| plot.save(path));
        pixels[..40 * width].iter().filter(|p| p[0] < 100).count()
    };
    for title in ["Ошибка", "Ґалаґан", "Σφάλμα Ώρα", "Ἀρχή", "Łódź ő", "Việt", "误差"]
    {
        let letters = title.chars().filter(|c| !c.is_whitespace()).count();
        assert!(ink(title) > 30 * letters, "{title}: {}", ink(title));
    }
    assert_eq!(ink(" "), 0);
}

#[test]
fn a_pixel_that_is_not_a_number_looks_like_no_other() {
    let missing = |pixel: f32| {
        let (pixels, _) =
            pixels("missing", |path| ImageGrid::new("", 2, 1).image("", &[0.0, 1.0, 0.5, pixel]).save(path));
        pixels.iter().filter(|p| p[0] > p[2].saturating_add(20)).count()
    };
    assert!(missing(f32::NAN) > 1000 && missing(0.0) == 0 && missing(f32::INFINITY) == 0);
}

#[test]
fn a_heat_map_leaves_out_points_that_are_nowhere() {
    let map = |points: &[(f64, f64)]| {
        let points = points.to_vec();
        pixels("nowhere", move |path| {
            HeatMap::new("", &[1.0, 2.0, 3.0, 4.0], 2, -1.0..1.0, -1.0..1.0).points(&points).save(path)
        })
    };
    let nowhere = [(f64::NAN, 0.0), (0.0, f64::NAN), (5.0, 0.0), (0.0, -1e300), (f64::INFINITY, 0.0)];
    assert!(map(&nowhere).0 == map(&[]).0);
    assert!(map(&[(0.0, 0.5)]).0 != map(&[]).0);
}

#[test]
fn heat_maps_with_the_same_limits_have_the_same_colours() {
    let corner = |values: [f64; 2]| {
        let (pixels, width) = pixels("limits", |path| {
            HeatMap::new("", &values, 2, 0.0..1.0, 0.0..1.0).limits(0.0..10.0).unit("density").save(path)
        });
        pixels[400 * width + 200]
    };
    assert_eq!(corner([2.0, 3.0]), corner([2.0, 9.0]));
    assert_eq!(corner([10.0, 3.0]), corner([99.0, 9.0]));
}

#[test]
fn counts_are_bars_and_predictions_of_counts_have_dots() {
    let counts: Vec<f64> = noise(500, 7).iter().map(|x| (3.0 + x).round().max(0.0)).collect();
    let more: Vec<f64> = counts.iter().map(|x| x + 1.0).collect();
    picture("counts", |path| {
        DensityPlot::new("Counts", "k").draws("a", &counts).draws("b", &more).truth(3.0).save(path)
    });
    let replications: Vec<Vec<f64>> =
        (0..40).map(|seed| noise(500, seed).iter().map(|x| (3.0 + x).round().max(0.0)).collect()).collect();
    picture("predictive_counts", |path| {
        PredictivePlot::new("Counts", "k", &counts, &replications).save(path)
    });
    let replications: Vec<Vec<f64>> = (0..40).map(|seed| noise(500, seed)).collect();
    picture("predictive", |path| {
        PredictivePlot::new("Check", "y", &noise(500, 77), &replications).save(path)
    });
    picture("histogram", |path| {
        HistogramPlot::new("Draws of β", "β").draws("NUTS", &noise(4000, 1)).truth(0.3).save(path)
    });
    let energies: Vec<Vec<f64>> = (1..=2).map(|seed| noise(1000, seed)).collect();
    picture("energy", |path| EnergyPlot::new("Energies", &energies).save(path));
}

#[test]
fn reports_the_file_that_cannot_be_written() {
    let folder = test_folder("plot_refused");
    fs::write(folder.join("file"), "").unwrap();
    let path = folder.join("file/plot.png");
    let error = LinePlot::new("", "", "").series("", &[0.0, 1.0], &[0.0, 1.0]).save(&path).unwrap_err();
    assert!(matches!(error, PlotError::Io { path: ref at, .. } if *at == path), "{error}");
    assert!(error.to_string().ends_with("file` is a file and not a folder"), "{error}");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn draws_degenerate_but_valid_input() {
    picture("one_point", |path| LinePlot::new("", "", "").series("", &[1.0], &[2.0]).save(path));
    picture("constant", |path| DensityPlot::new("constant", "x").draws("c", &[3.0; 20]).save(path));
    picture("flat_field", |path| HeatMap::new("", &[1.0; 4], 2, 0.0..1.0, 0.0..1.0).save(path));
    picture("one_draw", |path| TracePlot::new("one").scalar("x", &[[1.0]]).save(path));
    picture("long_legend", |path| {
        let series = |plot: LinePlot, i: usize| {
            plot.series(format!("a series with the long name {i}"), &[0.0, 1.0], &[i as f64, 1.0])
        };
        (0..8).fold(LinePlot::new("Many", "x", "y"), series).save(path)
    });
}

#[test]
fn extreme_numbers_are_drawn_or_refused_but_never_hang() {
    for y in [[1e300, -1e300], [1e-300, 2e-300], [1.0, 1.0 + 1e-11], [1.0, 1.0 + 1e-15], [1e9, 1e9 + 1e-4]] {
        let line = || LinePlot::new("extreme", "", "").series("", &[0.0, 1.0], &y);
        picture("extreme_line", |path| line().save(path));
        let folder = test_folder("extreme");
        let path = folder.join("plot.png");
        let _ = line().log_y().save(&path);
        let _ = DensityPlot::new("", "").draws("", &y).save(&path);
        let _ = HeatMap::new("", &y, 1, 0.0..y[1].abs(), 0.0..1.0).save(&path);
        fs::remove_dir_all(folder).unwrap();
    }
    let widest = LinePlot::new("", "", "").series("", &[0.0, 1.0], &[f64::MIN, f64::MAX]);
    assert!(widest.save("/nonexistent/never-written.png").is_err());
    let y: Vec<f64> = noise(50, 3).iter().map(|x| 1000.0 + 1e-4 * x).collect();
    let narrow = LinePlot::new("Narrow", "step", "value").series("", &steps(50), &y);
    let (_, colours) = picture("narrow", |path| narrow.save(path));
    assert!(colours > 50);
}
