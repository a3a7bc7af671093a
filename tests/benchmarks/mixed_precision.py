"""Held-out likelihood with networks in bfloat16, beside float32.

    python -m tests.benchmarks.mixed_precision [--seeds 1] [--epochs 40] [--set magic]

Trained as in `quality`, under Keras' policies float32 and mixed_bfloat16; nats per row
of standardized columns, mean over seeds, and seconds of a training. A processor
without instructions for bfloat16 is slower with it.
"""

import argparse
import time

import keras
import numpy as np

from tests.benchmarks import quality


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", default="magic")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=quality.EPOCHS)
    parser.add_argument("--flows", nargs="+", default=list(quality.FLOWS))
    options = parser.parse_args()
    quality.EPOCHS = options.epochs
    parts = quality.load(options.set, copies=False)
    print(f"{'density':24}{'policy':18}{'nats':>9}{'seconds':>10}")
    for flow in options.flows:
        for policy in ("float32", "mixed_bfloat16"):
            keras.config.set_dtype_policy(policy)
            began = time.perf_counter()
            values = [
                quality.train(quality.FLOWS[flow], parts, seed)
                for seed in range(options.seeds)
            ]
            seconds = (time.perf_counter() - began) / options.seeds
            print(
                f"{flow:24}{policy:18}{np.mean(values):9.3f}{seconds:10.0f}", flush=True
            )


if __name__ == "__main__":
    main()
