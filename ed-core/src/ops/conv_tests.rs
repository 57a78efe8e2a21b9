//! Convolutions and pools against PyTorch (`tests/golden/gen_conv.py`), finite differences and each other.

use serde_json::Value as Json;

use super::conv::{conv1d, conv2d};
use super::pool::{avg_pool1d, avg_pool2d, global_avg_pool, global_max_pool, max_pool1d, max_pool2d};
use super::{Padding, Window};
use crate::error::Result;
use crate::kernels::parallel::tests::same_for_all_threads;
use crate::tensor::{Dims, Float, Tape, Value};

fn sizes(json: &Json) -> Vec<usize> {
    json.as_array().unwrap().iter().map(|size| size.as_u64().unwrap() as usize).collect()
}

fn numbers(json: &Json) -> Vec<f64> {
    json.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn value<E: Float>(numbers: &[f64], dims: &[usize]) -> Value<E> {
    let data = numbers.iter().map(|&x| E::from_f64(x)).collect();
    Value::from_vec(data, dims.iter().copied().collect()).unwrap()
}

/// Numbers without a pattern, in [-1, 1).
fn scattered(dims: &[usize], seed: usize) -> Vec<f64> {
    let len: usize = dims.iter().product();
    (0..len).map(|i| ((i * 7919 + seed * 104_729) % 1009) as f64 / 504.5 - 1.0).collect()
}

fn axes<const D: usize>(json: &Json) -> [usize; D] {
    sizes(json).try_into().unwrap()
}

fn window<const D: usize>(case: &Json) -> Window<D> {
    let padding = match &case["padding"] {
        Json::String(name) if name == "same" => Padding::Same,
        Json::String(name) if name == "causal" => Padding::Causal,
        Json::String(_) => Padding::Valid,
        given => Padding::Explicit { before: axes(&given[0]), after: axes(&given[1]) },
    };
    Window {
        kernel: axes(&case["kernel"]),
        strides: axes(&case["strides"]),
        dilation: axes(&case["dilation"]),
        groups: case["groups"].as_u64().unwrap() as usize,
        padding,
    }
}

/// The output, and the gradients by the inputs of `Σ grad_out · output`.
fn run<E: Float>(
    f: impl Fn(&[Value<E>]) -> Result<Value<E>>,
    inputs: &[Value<E>],
    grad_out: &[f64],
) -> (Value<E>, Vec<Vec<f64>>) {
    let tape = Tape::of();
    let inputs: Vec<Value<E>> = inputs.iter().map(|x| tape.watch_value(x)).collect();
    let out = f(&inputs).unwrap();
    let flat = out.with_dims(Dims::vector(out.dims().num_elements()));
    let loss = super::linalg::dot(&flat, &value(grad_out, flat.dims())).unwrap();
    let gradients = crate::tensor::tape::backward(&loss).unwrap();
    let to_f64 = |x: &Value<E>| x.peek().unwrap().iter().map(|x| x.to_f64()).collect::<Vec<f64>>();
    let gradients = inputs.iter().map(|x| to_f64(&gradients.get_value(x).unwrap())).collect();
    (out.detach(), gradients)
}

fn assert_near(got: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (index, (got, expected)) in got.iter().zip(expected).enumerate() {
        let error = (got - expected).abs();
        assert!(error <= tolerance * (1.0 + expected.abs()), "{what}[{index}] is {got}, not {expected}");
    }
}

fn apply_case<E: Float>(case: &Json, inputs: &[Value<E>]) -> Result<Value<E>> {
    let x = &inputs[0];
    match (case["op"].as_str().unwrap(), sizes(&case["kernel"]).len()) {
        ("conv", 1) => conv1d(x, &inputs[1], &window(case)),
        ("conv", _) => conv2d(x, &inputs[1], &window(case)),
        ("max", 1) => max_pool1d(x, &window(case)),
        ("max", _) => max_pool2d(x, &window(case)),
        (_, 1) => avg_pool1d(x, &window(case)),
        _ => avg_pool2d(x, &window(case)),
    }
}

fn equals_pytorch<E: Float>(tolerance: f64) {
    let cases: Vec<Json> = serde_json::from_str(include_str!("../../../tests/golden/conv.json")).unwrap();
    assert_eq!(cases.len(), 23);
    for case in &cases {
        let mut inputs = vec![value::<E>(&numbers(&case["x"]), &sizes(&case["input"]))];
        let mut names = vec!["grad_x"];
        if case["op"] == "conv" {
            let mut dims = sizes(&case["kernel"]);
            let groups = case["groups"].as_u64().unwrap() as usize;
            dims.push(sizes(&case["input"]).last().unwrap() / groups);
            dims.push(case["out_channels"].as_u64().unwrap() as usize);
            inputs.push(value(&numbers(&case["weights"]), &dims));
            names.push("grad_weights");
        }
        let about = |part: &str| format!("{part} of {} {} {}", case["op"], case["input"], case["kernel"]);
        let (out, gradients) = run(|inputs| apply_case(case, inputs), &inputs, &numbers(&case["grad_out"]));
        assert_eq!(**out.dims(), sizes(&case["output"])[..], "{}", about("shape"));
        let got: Vec<f64> = out.peek().unwrap().iter().map(|x| x.to_f64()).collect();
        assert_near(&got, &numbers(&case["out"]), tolerance, &about("out"));
        for (name, got) in names.into_iter().zip(&gradients) {
            assert_near(got, &numbers(&case[name]), tolerance, &about(name));
        }
    }
}

#[test]
fn values_and_gradients_equal_those_of_pytorch() {
    equals_pytorch::<f64>(1e-13);
    equals_pytorch::<f32>(3e-6);
}

#[test]
fn gradients_equal_central_differences() {
    let (x_dims, kernel_dims) = ([2, 6, 7, 4], [3, 2, 2, 6]);
    let window = Window::new([3, 2])
        .with_strides([2, 3])
        .with_dilation([1, 2])
        .with_groups(2)
        .with_padding(Padding::Same);
    let points = [scattered(&x_dims, 1), scattered(&kernel_dims, 2)];
    let conv = |points: &[Vec<f64>; 2]| {
        conv2d::<f64>(&value(&points[0], &x_dims), &value(&points[1], &kernel_dims), &window).unwrap()
    };
    let grad_out = scattered(conv(&points).dims(), 3);
    let inputs = [value(&points[0], &x_dims), value(&points[1], &kernel_dims)];
    let (_, gradients) = run::<f64>(|inputs| conv2d(&inputs[0], &inputs[1], &window), &inputs, &grad_out);
    let loss = |points: &[Vec<f64>; 2]| -> f64 {
        conv(points).peek().unwrap().iter().zip(&grad_out).map(|(x, g)| x * g).sum()
    };
    for input in 0..2 {
        for index in 0..points[input].len() {
            let moved = |step: f64| {
                let mut points = points.clone();
                points[input][index] += step;
                loss(&points)
            };
            let difference = (moved(1e-3) - moved(-1e-3)) / 2e-3;
            assert_near(&[gradients[input][index]], &[difference], 1e-9, "gradient");
        }
    }
}

/// Kinds of convolution and sizes of image that fill many panels and tasks.
fn large_cases() -> [([usize; 4], [usize; 4], Window<2>); 5] {
    let same = |kernel| Window::new(kernel).with_padding(Padding::Same);
    [
        ([6, 33, 31, 3], [5, 5, 3, 16], same([5, 5])),
        ([5, 32, 29, 16], [5, 3, 16, 24], same([5, 3]).with_strides([2, 3])),
        ([4, 31, 30, 12], [3, 3, 4, 18], same([3, 3]).with_groups(3).with_dilation([2, 1])),
        ([4, 40, 41, 20], [3, 3, 1, 20], same([3, 3]).with_groups(20)),
        ([3, 1, 3001, 8], [1, 9, 8, 8], Window::new([1, 9]).with_strides([1, 2])),
    ]
}

/// The output and both gradients.
fn all_parts<E: Float>(
    x: &Value<E>,
    kernel: &Value<E>,
    window: &Window<2>,
    grad_out: &[f64],
) -> [Vec<f64>; 3] {
    let inputs = [x.clone(), kernel.clone()];
    let (out, gradients) = run(|inputs| conv2d(&inputs[0], &inputs[1], window), &inputs, grad_out);
    let out = out.peek().unwrap().iter().map(|x| x.to_f64()).collect();
    let [by_x, by_kernel] = gradients.try_into().unwrap();
    [out, by_x, by_kernel]
}

#[test]
fn a_batch_equals_its_images_one_by_one() {
    for (x_dims, kernel_dims, window) in large_cases() {
        let (x, kernel) = (scattered(&x_dims, 1), value::<f64>(&scattered(&kernel_dims, 2), &kernel_dims));
        let [height, width] = window.output_size([x_dims[1], x_dims[2]]).unwrap();
        let grad_out = scattered(&[x_dims[0], height, width, kernel_dims[3]], 3);
        let batch = all_parts(&value(&x, &x_dims), &kernel, &window, &grad_out);
        let one = [1, x_dims[1], x_dims[2], x_dims[3]];
        let images = x.chunks(x.len() / x_dims[0]).zip(grad_out.chunks(grad_out.len() / x_dims[0]));
        let mut sum = vec![0.0; batch[2].len()];
        for (index, (x, grad_out)) in images.enumerate() {
            let parts = all_parts(&value(x, &one), &kernel, &window, grad_out);
            for part in 0..2 {
                let len = parts[part].len();
                assert_near(&batch[part][index * len..][..len], &parts[part], 1e-12, "an image");
            }
            sum.iter_mut().zip(&parts[2]).for_each(|(sum, part)| *sum += part);
        }
        assert_near(&batch[2], &sum, 1e-11, "the gradient by the kernel");
    }
}

#[test]
fn threads_change_no_bit() {
    for (x_dims, kernel_dims, window) in large_cases() {
        let [height, width] = window.output_size([x_dims[1], x_dims[2]]).unwrap();
        let grad_out = scattered(&[x_dims[0], height, width, kernel_dims[3]], 3);
        same_for_all_threads(|| {
            let (x, kernel) = (scattered(&x_dims, 1), scattered(&kernel_dims, 2));
            all_parts::<f32>(&value(&x, &x_dims), &value(&kernel, &kernel_dims), &window, &grad_out)
        });
    }
}

#[test]
fn the_gradient_of_a_constant_is_not_kept() {
    let (x_dims, kernel_dims) = ([1, 4, 4, 2], [2, 2, 2, 3]);
    let tape = Tape::<f64>::of();
    let kernel = tape.watch_value(&value(&scattered(&kernel_dims, 2), &kernel_dims));
    let x = value(&scattered(&x_dims, 1), &x_dims);
    let out = conv2d(&x, &kernel, &Window::new([2, 2])).unwrap();
    let gradients = crate::tensor::tape::backward(&super::reduce::sum(&out)).unwrap();
    assert!(gradients.get_value(&x).is_err());
    assert_eq!(gradients.get_value(&kernel).unwrap().dims(), kernel.dims());
}

#[test]
fn refuses_tensors_that_do_not_fit_the_window() {
    let zeros = |dims: &[usize]| Value::<f32>::full(0.0, dims.iter().copied().collect());
    let message = |x: &[usize], kernel: &[usize], window: &Window<2>| {
        conv2d(&zeros(x), &zeros(kernel), window).unwrap_err().to_string()
    };
    let window = Window::new([3, 3]);
    assert_eq!(
        message(&[5, 5, 2], &[3, 3, 2, 4], &window),
        "conv2d: expected a tensor of shape [N, H, W, Cin] without an empty axis, got [5, 5, 2]"
    );
    assert!(message(&[0, 5, 5, 2], &[3, 3, 2, 4], &window).contains("empty axis"));
    assert_eq!(
        message(&[1, 5, 5, 2], &[3, 2, 2, 4], &window),
        "conv2d: expected a tensor of shape [3, 3, 2, Cout] for its kernel, with Cout a multiple of the 1 groups, got \
         [3, 2, 2, 4]"
    );
    let grouped = window.with_groups(2);
    assert!(
        message(&[1, 5, 5, 3], &[3, 3, 1, 4], &grouped)
            .contains("that its 2 groups divide, got [1, 5, 5, 3]")
    );
    assert!(message(&[1, 5, 5, 4], &[3, 3, 2, 3], &grouped).contains("Cout a multiple of the 2 groups"));
    assert!(message(&[1, 2, 5, 2], &[3, 3, 2, 4], &window).contains("no larger than the padded input"));
    let vast =
        Window::new([1, 1]).with_padding(Padding::Explicit { before: [1 << 40, 1 << 40], after: [0, 0] });
    assert!(message(&[1, 2, 5, 2], &[1, 1, 2, 4], &vast).contains("fits in memory"));
}

#[test]
fn refuses_pools_that_are_not_defined() {
    let x = Value::<f32>::full(1.0, [1, 1, 2].into_iter().collect());
    let only_padding = Window::new([2]).with_dilation([2]).with_padding(Padding::Same);
    let message = max_pool1d(&x, &only_padding).unwrap_err().to_string();
    assert!(message.contains("every window covers at least one pixel"), "{message}");
    let message = avg_pool1d(&x, &Window::new([1]).with_groups(2)).unwrap_err().to_string();
    assert!(message.contains("`groups` must be 1"), "{message}");
    assert!(global_max_pool(&Value::<f32>::scalar(1.0)).is_err());
    assert!(global_avg_pool(&Value::<f32>::full(1.0, [1, 0, 2].into_iter().collect())).is_err());
}

#[test]
fn maxima_keep_infinities_and_nan() {
    let x = [f64::NEG_INFINITY, f64::NEG_INFINITY, f64::NAN, 2.0, 3.0, 3.0];
    let window = Window::new([2]).with_strides([2]);
    let (out, gradients) =
        run::<f64>(|x| max_pool1d(&x[0], &window), &[value(&x, &[1, 6, 1])], &[1.0, 1.0, 1.0]);
    let out = out.peek().unwrap();
    assert!(out[0] == f64::NEG_INFINITY && out[1].is_nan() && out[2] == 3.0, "{out:?}");
    assert_eq!(gradients[0], [1.0, 0.0, 1.0, 0.0, 1.0, 0.0]);
}
