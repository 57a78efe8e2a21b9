"""W3: a deep Gaussian process, 64 > 256 > 256 > 10 units, 512 inducing points each, batch 256; mean squared error + KL.

Each layer is whitened: v ~ q(v) = N(loc, softplus(raw)^2), element by element, against N(0, 1); its output is a draw from
the marginals, mean = A loc and variance = k - sum A^2 + A^2 s^2 with A = K_xz L^-T, one Cholesky factor for all units; an
exponentiated quadratic covariance with one trained lengthscale and variance. The same maths in all libraries.

    PYTHONPATH=FOLDER_OF_PEERS python w3_deep_gp.py --peer jax
"""
import math

import common
import numpy as np

B, SIZES, M, JITTER = 256, [64, 256, 256, 10], 512, 1e-4
args = common.parse(["torch", "jax"], steps=10)
rng = np.random.default_rng(0)
X = rng.standard_normal((B, SIZES[0]), np.float32)
Y = rng.standard_normal((B, SIZES[-1]), np.float32)
LAYERS = list(zip(SIZES[:-1], SIZES[1:]))


def start(inputs, units):
    return {
        "z": rng.standard_normal((M, inputs), np.float32),
        "loc": np.zeros((M, units), np.float32),
        "raw": np.full((M, units), math.log(math.expm1(0.1)), np.float32),
        "lengthscale": np.float32(math.log(math.expm1(math.sqrt(inputs)))),
        "variance": np.float32(math.log(math.expm1(1.0))),
    }


PARAMS = [start(*sizes) for sizes in LAYERS]

if args.peer == "jax":
    jax = common.jax_setup(args)
    import jax.numpy as jnp
    from jax.scipy.linalg import solve_triangular

    def covariance(x, z, lengthscale, variance):
        x, z = x / lengthscale, z / lengthscale
        square = (x * x).sum(1)[:, None] + (z * z).sum(1) - 2 * x @ z.T
        return variance * jnp.exp(-0.5 * jnp.maximum(square, 0))

    def layer(p, x, key):
        lengthscale, variance = jax.nn.softplus(p["lengthscale"]), jax.nn.softplus(p["variance"])
        k_zz = covariance(p["z"], p["z"], lengthscale, variance) + JITTER * variance * jnp.eye(M)
        k_zx = covariance(p["z"], x, lengthscale, variance)
        a = solve_triangular(jnp.linalg.cholesky(k_zz), k_zx, lower=True).T
        s = jax.nn.softplus(p["raw"])
        mean = a @ p["loc"]
        rest = jnp.maximum(variance - (a * a).sum(1), 0)
        var = rest[:, None] + (a * a) @ (s * s) + 1.2e-6
        kl = 0.5 * (s * s + p["loc"] ** 2 - 1).sum() - jnp.log(s).sum()
        return mean + jnp.sqrt(var) * jax.random.normal(key, mean.shape), kl

    x, y = jnp.asarray(X), jnp.asarray(Y)

    def loss_fn(params, key):
        h, kl = x, 0.0
        for p, k in zip(params, jax.random.split(key, len(params))):
            h, own = layer(p, h, k)
            kl += own
        return ((h - y) ** 2).mean() + kl / common.DATASET

    step = common.jax_step(loss_fn, jax.tree.map(jnp.asarray, PARAMS), args)
else:
    torch = common.torch_setup()
    import torch.nn.functional as F

    params = [{k: torch.nn.Parameter(torch.tensor(v)) for k, v in p.items()} for p in PARAMS]
    x, y, eye = torch.from_numpy(X), torch.from_numpy(Y), torch.eye(M)

    def covariance(x, z, lengthscale, variance):
        x, z = x / lengthscale, z / lengthscale
        square = (x * x).sum(1)[:, None] + (z * z).sum(1) - 2 * x @ z.T
        return variance * torch.exp(-0.5 * square.clamp_min(0))

    def layer(p, x):
        lengthscale, variance = F.softplus(p["lengthscale"]), F.softplus(p["variance"])
        k_zz = covariance(p["z"], p["z"], lengthscale, variance) + JITTER * variance * eye
        k_zx = covariance(p["z"], x, lengthscale, variance)
        a = torch.linalg.solve_triangular(torch.linalg.cholesky(k_zz), k_zx, upper=False).T
        s = F.softplus(p["raw"])
        mean = a @ p["loc"]
        rest = (variance - (a * a).sum(1)).clamp_min(0)
        var = rest[:, None] + (a * a) @ (s * s) + 1.2e-6
        kl = 0.5 * (s * s + p["loc"] ** 2 - 1).sum() - torch.log(s).sum()
        return mean + var.sqrt() * torch.randn_like(mean), kl

    def loss_fn():
        h, kl = x, 0.0
        for p in params:
            h, own = layer(p, h)
            kl = kl + own
        return ((h - y) ** 2).mean() + kl / common.DATASET

    step = common.torch_step(loss_fn, [v for p in params for v in p.values()], args)

common.report("W3_deep_gp", args, step, "mean-field whitened outputs, marginal draws, one lengthscale")
