//! Layers that summarise windows.

use dfdx::shapes::Dim;
use ed_core::Result;
use ed_core::ops::pool::{avg_pool1d, avg_pool2d, global_avg_pool, global_max_pool, max_pool1d, max_pool2d};
use ed_core::ops::{Padding, Window};
use ed_core::tensor::{Float, Var};

use crate::convolution::Sizes;
use crate::layer::{Apply, Layer};

macro_rules! pools {
    ($($(#[$doc:meta])* $layer:ident $rank:literal $pool:ident [$($axis:ident)+] $out:ty;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct $layer(Window<$rank>);

        impl $layer {
            /// A window of this size, in steps of its size, without padding.
            pub fn new(size: impl Sizes<$rank>) -> Self {
                let size = size.sizes();
                $layer(Window::new(size).with_strides(size))
            }

            /// With other steps between neighbouring windows.
            pub fn stride(self, strides: impl Sizes<$rank>) -> Self {
                $layer(self.0.with_strides(strides.sizes()))
            }

            /// With this padding, which no window counts.
            pub fn padding(self, padding: Padding<$rank>) -> Self {
                $layer(self.0.with_padding(padding))
            }

            /// With padding such that no pixel is left out.
            pub fn same(self) -> Self {
                self.padding(Padding::Same)
            }
        }

        impl Layer for $layer {
            fn kind(&self) -> &'static str {
                stringify!($layer)
            }
            fn settings(&self) -> String {
                self.0.kernel.map(|size| size.to_string()).join("×")
            }
        }

        impl<A: Dim, $($axis: Dim,)+ C: Dim, E: Float> Apply<Var<(A, $($axis,)+ C), E>> for $layer {
            type Output = Var<$out, E>;
            fn apply(&self, x: Var<(A, $($axis,)+ C), E>) -> Result<Self::Output> {
                Var::from_value($pool(x.value(), &self.0)?)
            }
        }
    )+};
}

pools! {
    /// The largest number of each window of a sequence: `[N, T, channels] → [N, T', channels]`.
    MaxPool1d 1 max_pool1d [B] (A, usize, C);
    /// The largest number of each window of an image: `[N, H, W, channels] → [N, H', W', channels]`.
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let image = Var::from_vec((0..16).map(|i| i as f32).collect(), (1usize, 4usize, 4usize, 1usize))?;
    /// assert_eq!(MaxPool2d::new(2).forward(&image)?.to_vec()?, [5.0, 7.0, 13.0, 15.0]);
    /// # Ok(()) }
    /// ```
    MaxPool2d 2 max_pool2d [B D] (A, usize, usize, C);
    /// The mean of each window of a sequence: `[N, T, channels] → [N, T', channels]`.
    AvgPool1d 1 avg_pool1d [B] (A, usize, C);
    /// The mean of each window of an image: `[N, H, W, channels] → [N, H', W', channels]`.
    AvgPool2d 2 avg_pool2d [B D] (A, usize, usize, C);
}

macro_rules! global_pools {
    ($($(#[$doc:meta])* $layer:ident $pool:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        pub struct $layer;

        impl Layer for $layer {
            fn kind(&self) -> &'static str {
                stringify!($layer)
            }
        }

        impl<A: Dim, B: Dim, C: Dim, E: Float> Apply<Var<(A, B, C), E>> for $layer {
            type Output = Var<(A, C), E>;
            fn apply(&self, x: Var<(A, B, C), E>) -> Result<Self::Output> {
                Var::from_value($pool(x.value())?)
            }
        }

        impl<A: Dim, B: Dim, C: Dim, D: Dim, E: Float> Apply<Var<(A, B, D, C), E>> for $layer {
            type Output = Var<(A, C), E>;
            fn apply(&self, x: Var<(A, B, D, C), E>) -> Result<Self::Output> {
                Var::from_value($pool(x.value())?)
            }
        }
    )+};
}

global_pools! {
    /// The mean over all positions: `[N, …, channels] → [N, channels]`.
    GlobalAvgPool global_avg_pool;
    /// The largest number over all positions: `[N, …, channels] → [N, channels]`.
    GlobalMaxPool global_max_pool;
}
