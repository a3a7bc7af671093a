"""Workers are processes; two of them train as one."""

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest

TRAINING = """
import os
import sys
import keras
import numpy as np
import tensorflow as tf
from tfp_flows.models import FlowModel, join_workers

workers = join_workers()
index = 0 if workers is None else workers.index
from tfp_flows.architectures import coupling_flow

# Another start: the chief's counts.
flow = coupling_flow(
    2, num_layers=1, hidden_sizes=(4,), transform="affine", seed=index, dtype="float64"
)
# What float32 holds: Keras casts arrays to it, and no data sets.
x = np.rint(16 * np.random.default_rng(0).normal(size=[130, 2])) / 16
weight = np.where(np.arange(130) % 3, 0.5, 2.0)
model = FlowModel(flow)
model.compile(keras.optimizers.Adam(1e-2))
options = {"batch_size": 32, "shuffle": False, "verbose": 0}
history = model.fit(
    x, epochs=2, sample_weight=weight, validation_data=x[:50], **options
).history
weights, seeds = (
    np.concatenate([np.ravel(v) for v in model.variables if ("seed" in v.path) == kind])
    for kind in (False, True)
)
np.savez(sys.argv[1], weights=weights, seeds=seeds, **history)
stop = keras.callbacks.LambdaCallback(
    on_epoch_end=lambda *_: setattr(model, "stop_training", index == 1)
)
if workers is not None:
    epochs = model.fit(x, epochs=9, callbacks=[stop], **options).epoch
    assert epochs == [0], epochs
    print("stopped together", flush=True)
    if index == 1:
        os._exit(7)  # as one that is killed
    try:
        model.fit(x, epochs=1000, **options)
    except tf.errors.OpError:
        print("missed the other", flush=True)
        os._exit(0)  # there is nobody to take leave of
"""


def start(path, config=None):
    environment = dict(os.environ, TF_CPP_MIN_LOG_LEVEL="3")
    if config is not None:
        environment["TF_CONFIG"] = json.dumps(config)
    return subprocess.Popen(
        [sys.executable, "-c", TRAINING, str(path)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_two_workers_train_as_one_and_miss_each_other(tmp_path):
    cluster = {"worker": [f"127.0.0.1:{free_port()}" for _ in range(2)]}
    paths = [tmp_path / f"{name}.npz" for name in ("chief", "other", "alone")]
    places = [
        {"cluster": cluster, "task": {"type": "worker", "index": index}}
        for index in range(2)
    ]
    running = [start(*pair) for pair in zip(paths, [*places, None], strict=True)]
    said = [process.communicate(timeout=300)[0] for process in running]
    assert "stopped together" in said[0], said[0]
    assert "missed the other" in said[0], said[0]
    chief, other, alone = (dict(np.load(path)) for path in paths)
    for name in chief:
        np.testing.assert_array_equal(chief[name], other[name])
    # 130 rows in batches of 32: the last two rows are one for each worker.
    np.testing.assert_allclose(chief["weights"], alone["weights"], 1e-9, 1e-9)
    for name in ("loss", "val_loss"):  # which Keras keeps in float32
        np.testing.assert_allclose(chief[name], alone[name], rtol=3e-7)


def test_workers_are_joined_first():
    from tfp_flows.models.workers import joined_workers

    with pytest.MonkeyPatch.context() as patch:
        cluster = {"chief": ["a:1"], "worker": ["b:1"]}
        task = {"type": "worker", "index": 0}
        config = {"cluster": cluster, "task": task}
        patch.setenv("TF_CONFIG", json.dumps(config))
        with pytest.raises(RuntimeError, match=r"2 workers: call .*join_workers\(\)"):
            joined_workers()
        patch.setenv("TF_CONFIG", json.dumps({"cluster": {"worker": ["a:1"]}}))
        assert joined_workers() is None
