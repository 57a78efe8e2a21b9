"""Writes python.safetensors, which tests/it/networks.rs reads.

safetensors 0.8, numpy 2.4.
"""
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

tensors = {
    "net/0/kernel": np.arange(6, dtype=np.float32).reshape(2, 3) / 2,
    "net/0/bias": np.array([1e-300]),
}
save_file(tensors, Path(__file__).with_name("python.safetensors"))
