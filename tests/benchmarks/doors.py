"""What each door of a model costs beside a step of `fit`.

    python -m tests.benchmarks.doors [--size 512] [--steps 20] [--models coupling ...]

One table: medians in milliseconds a batch of 100 rows, after a warm-up that traces,
and in brackets the ratio to the step of `fit`. `tape, step` is a loop by hand over
`compute_loss(x, y_pred=model(x, training=True))`, `tape, log_prob` one over
`distribution.log_prob`; both run as a `tf.function`. `evaluate` is a batch of it, on
ten batches; `served` is the SavedModel. A boosted flow trains a component at a time:
there, the doors of training are those of one component.
"""

import argparse
import statistics
import tempfile
import time

import keras
import numpy as np
import tensorflow as tf

from tfp_flows.architectures import coupling_flow, fully_connected_flow
from tfp_flows.models import BoostedFlow, FlowModel

BATCH, BATCHES = 100, 10
MODELS = {
    "self-normalizing": lambda size: FlowModel(fully_connected_flow(size)),
    "coupling": lambda size: FlowModel(coupling_flow(min(size, 20))),
    "boosted": lambda size: BoostedFlow(
        lambda index: coupling_flow(min(size, 20), num_layers=4, seed=index), 2
    ),
}


def median(run, steps):
    """Milliseconds of a call, after one that traces."""
    run()
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def fit(model, x, steps, **compiled):
    """Milliseconds a step of an epoch, after one that traces."""
    model.compile(keras.optimizers.Adam(1e-4), **compiled)

    def epoch():
        model.fit(x, batch_size=BATCH, epochs=1, shuffle=False, verbose=0)

    return median(epoch, max(2, steps // BATCHES)) / BATCHES


def tape(model, loss):
    """A step by hand."""
    variables = model.trainable_variables

    @tf.function
    def step(batch):
        with tf.GradientTape() as recorded:
            value = loss(batch)
        gradients = recorded.gradient(value, [v.value for v in variables])
        # A likelihood alone gives a learned inverse none.
        model.optimizer.apply(
            [
                tf.zeros_like(v.value) if gradient is None else gradient
                for gradient, v in zip(gradients, variables, strict=True)
            ],
            variables,
        )
        return value

    return step


def doors(model, x, steps):
    """Door → milliseconds a batch."""
    batch = x[:BATCH]
    tensor = tf.constant(batch)
    trained = model
    if isinstance(model, BoostedFlow):
        model.compile(keras.optimizers.Adam(1e-4))
        model.fit(x, batch_size=BATCH, epochs=1, verbose=0)
        trained = FlowModel(model.component(0))
    yield "fit", fit(trained, x, steps)
    yield (
        "fit, 5 steps an execution",
        fit(trained, x, steps, steps_per_execution=5),
    )
    trained.compile(keras.optimizers.Adam(1e-4))
    yield "train_on_batch", median(lambda: trained.train_on_batch(batch), steps)
    by_step = tape(
        trained,
        lambda rows: trained.compute_loss(rows, y_pred=trained(rows, training=True)),
    )
    yield "tape, step", median(lambda: float(by_step(tensor)), steps)
    by_density = tape(
        trained, lambda rows: -tf.reduce_mean(trained.distribution.log_prob(rows))
    )
    yield "tape, log_prob", median(lambda: float(by_density(tensor)), steps)
    yield "test_on_batch", median(lambda: model.test_on_batch(batch), steps)
    yield "predict_on_batch", median(lambda: model.predict_on_batch(batch), steps)
    whole = median(lambda: model.evaluate(x, batch_size=BATCH, verbose=0), 3)
    yield "evaluate", whole / BATCHES
    yield "log_prob", median(lambda: model.log_prob(tensor).numpy(), steps)
    yield "sample", median(lambda: model.sample(BATCH, seed=1).numpy(), steps)
    with tempfile.TemporaryDirectory() as folder:
        model.export(folder, verbose=False)
        served = tf.saved_model.load(folder)
        yield "served", median(lambda: served.log_prob(tensor).numpy(), steps)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=512, help="D, self-normalizing")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    arguments = parser.parse_args()
    table = {}
    for name in arguments.models:
        keras.utils.set_random_seed(0)
        model = MODELS[name](arguments.size)
        (size,) = model.distribution.event_shape
        rng = np.random.default_rng(0)
        x = rng.normal(size=[BATCHES * BATCH, size]).astype("float32")
        table[name] = dict(doors(model, x, arguments.steps))
    print(f"{'ms a batch of 100':26}" + "".join(f"{name:>24}" for name in table))
    for door in next(iter(table.values())):
        cells = [
            (column[door], column[door] / column["fit"]) for column in table.values()
        ]
        print(
            f"{door:26}"
            + "".join(f"{ms:14.1f} ({ratio:5.2f})  " for ms, ratio in cells)
        )


if __name__ == "__main__":
    main()
