#!/usr/bin/env bash
# Runs workloads here and in other libraries, in turn, and prints the ratios of the medians.
#
#     PEERS=FOLDER PEER_PYTHON=PYTHON benches/peers/run.sh [ROUNDS]
#
# FOLDER holds the peers' scripts (see README.md beside this file), PYTHON is an interpreter that has the libraries.
set -euo pipefail
: "${PEERS:?name the folder with the scripts of the peers in PEERS}"
: "${PEER_PYTHON:?name a Python with torch, JAX and BlackJAX in PEER_PYTHON}"
rounds=${1:-3}
cd "$(dirname "$0")/../.."

cargo build --release --quiet --example step_times
ours="${CARGO_TARGET_DIR:-target}/release/examples/step_times"
figures=$(mktemp)
trap 'rm -f "$figures"' EXIT

theirs() { (cd "$PEERS" && "$PEER_PYTHON" -W ignore "$@" 2>/dev/null) >>"$figures"; }

for _ in $(seq "$rounds"); do
    "$ours" W1_bayesian_lstm/fused W1_bayesian_lstm/cell >>"$figures"
    for variant in fused cell; do
        theirs w1_bayesian_lstm.py --peer torch --variant "$variant"
    done
    theirs w1_bayesian_lstm.py --peer jax
    for variant in reparam flipout; do
        "$ours" "W2_bayesian_cnn/$variant" "W6_dense_bnn/$variant" >>"$figures"
        for peer in torch jax; do
            theirs w2_bayesian_cnn.py --peer "$peer" --variant "$variant"
            theirs w6_dense_bnn.py --peer "$peer" --variant "$variant"
        done
    done
    "$ours" W4_pixel_transformer >>"$figures"
    for peer in torch jax; do
        theirs w4_pixel_transformer.py --peer "$peer"
    done
    "$ours" W5_realnvp_made >>"$figures"
    for peer in torch jax zuko; do
        theirs w5_realnvp_made.py --peer "$peer"
    done
    for variant in eight logistic; do
        "$ours" "W7_nuts/$variant" >>"$figures"
        theirs w7_nuts.py --peer blackjax --variant "$variant"
    done
    "$ours" W3_deep_gp >>"$figures"
    for peer in torch jax; do
        PYTHONPATH="$PEERS" "$PEER_PYTHON" -W ignore benches/peers/w3_deep_gp.py --peer "$peer" 2>/dev/null >>"$figures"
    done
    "$ours" W9/normal_sample_1e7 W9/normal_logprob_1e7 W9/normal_logprob_grad_1e7 W9/gamma0.5_sample_1e6 \
        W9/beta_sample_1e6 >>"$figures"
    for peer in torch jax numpy; do
        theirs w9_sampling_logprob.py --peer "$peer"
    done
done

"$PEER_PYTHON" - "$figures" <<'PYTHON'
import json, statistics, sys

rows = {}
for line in open(sys.argv[1]):
    if not line.startswith("{"):
        continue
    row = json.loads(line)
    figure = row.get("us_per_leapfrog", row.get("step_ms_median"))
    if figure is not None:
        rows.setdefault(row["workload"], {}).setdefault(row["peer"], []).append(figure)
print(f"{'workload':32} {'ed':>10}  peer: its median (ed / peer); ms a step, or us a leapfrog step")
for workload, peers in rows.items():
    if "ed" not in peers:
        continue
    own = statistics.median(peers.pop("ed"))
    others = [f"{peer}: {statistics.median(x):.3f} ({own / statistics.median(x):.2f})" for peer, x in peers.items()]
    print(f"{workload:32} {own:10.3f}  {'  '.join(others)}")
PYTHON
