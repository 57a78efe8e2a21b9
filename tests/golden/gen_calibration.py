"""Writes calibration.json: scores of fixed predictions by scikit-learn, torchmetrics and SciPy.

Run: python tests/golden/gen_calibration.py
Made with Python 3.11, NumPy 2.4.6, SciPy 1.17.1, scikit-learn 1.9.1, torchmetrics 1.9.0 on torch 2.15.0; seed 7.
Probabilities are k/1000, so that rows sum to one in every float type; confidences on a bin edge (where torchmetrics
and Guo et al. differ by the closed side) are avoided by the choice of denominators: 15 bins, 1000 steps.
"""

import json
import pathlib

import numpy as np
import torch
from scipy import stats
from scipy.special import logsumexp
from sklearn import metrics
from torchmetrics.functional.classification import multiclass_calibration_error

rng = np.random.default_rng(7)


def rows(n, k, concentration):
    counts = np.array([rng.multinomial(1000 - k, rng.dirichlet(np.full(k, concentration))) for _ in range(n)]) + 1
    top = counts.argmax(axis=1)
    # 200, 400, 600, 800 and 1000 of 1000 are edges of fifteen equal bins.
    for i in range(n):
        if counts[i, top[i]] % 200 == 0:
            other = (top[i] + 1) % k
            counts[i, top[i]] += 1 if counts[i, other] > 1 else -1
            counts[i, other] += -1 if counts[i, other] > 1 else 1
    return counts / 1000


def adaptive_ece(probs, labels, bins=15):
    """Bins of equal counts; rows of one confidence share a bin, that of the first of them."""
    confidence, right = probs.max(axis=1), probs.argmax(axis=1) == labels
    edges = [confidence[part].max() for part in np.array_split(np.argsort(confidence), bins) if len(part)]
    bin_of = np.searchsorted(edges, confidence)
    parts = [bin_of == index for index in np.unique(bin_of)]
    return float(sum(p.sum() * abs(right[p].mean() - confidence[p].mean()) for p in parts) / len(labels))


def classification(n, k, concentration, binary=False):
    probs = rows(n, k, concentration)
    labels = np.array([rng.choice(k, p=row) for row in probs])
    flip = rng.random(n) < 0.3
    labels[flip] = rng.integers(0, k, size=flip.sum())
    classes = list(range(k))
    return {
        "probs": probs.tolist(),
        "labels": labels.tolist(),
        "accuracy": metrics.accuracy_score(labels, probs.argmax(axis=1)),
        "nll": metrics.log_loss(labels, probs, labels=classes),
        "brier": float(metrics.brier_score_loss(labels, probs, labels=classes, scale_by_half=False)),
        "ece": float(
            multiclass_calibration_error(
                torch.tensor(probs, dtype=torch.float64), torch.tensor(labels), num_classes=k, n_bins=15, norm="l1"
            )
        ),
        "adaptive_ece": adaptive_ece(probs, labels),
    }


def separation(positives, negatives):
    truth = [1] * len(positives) + [0] * len(negatives)
    scores = np.concatenate([positives, negatives])
    return {
        "positives": list(map(float, positives)),
        "negatives": list(map(float, negatives)),
        "auroc": float(metrics.roc_auc_score(truth, scores)),
    }


def entropies(s, n, k):
    probs = np.stack([rows(n, k, 0.5) for _ in range(s)])
    predictive = stats.entropy(probs.mean(axis=0), axis=-1)
    aleatoric = stats.entropy(probs, axis=-1).mean(axis=0)
    return {
        "num_samples": s,
        "num_classes": k,
        "probs": probs.ravel().tolist(),
        "predictive": predictive.tolist(),
        "aleatoric": aleatoric.tolist(),
        "epistemic": (predictive - aleatoric).tolist(),
    }


def regression(s, n):
    loc = rng.normal(size=(s, n)).round(4)
    scale = rng.uniform(0.2, 2.0, size=(s, n)).round(4)
    targets = rng.normal(size=n).round(4)
    targets[0] = 60.0  # far out: exp underflows, log-mean-exp must not
    densities = stats.norm(loc, scale).logpdf(targets)
    return {
        "loc": loc.ravel().tolist(),
        "scale": scale.ravel().tolist(),
        "targets": targets.tolist(),
        "rmse_first": float(np.sqrt(metrics.mean_squared_error(targets, loc[0]))),
        "gaussian_first": float(densities[0].mean()),
        "mixture": float((logsumexp(densities, axis=0) - np.log(s)).mean()),
    }


if __name__ == "__main__":
    golden = {
        "classification": [
            classification(120, 3, 0.6),
            classification(60, 10, 0.2),
            classification(40, 2, 1.0),
            classification(9, 4, 1.0),
        ],
        "separation": [
            separation(rng.normal(1, 1, 30).round(3), rng.normal(0, 1, 25).round(3)),
            separation(rng.integers(1, 6, 20), rng.integers(0, 5, 30)),
            separation(np.ones(3), np.ones(4)),
        ],
        "entropy": [entropies(5, 6, 4), entropies(1, 3, 2)],
        "regression": [regression(4, 12), regression(1, 5)],
    }
    pathlib.Path(__file__).with_name("calibration.json").write_text(json.dumps(golden) + "\n")
