"""What is served takes what the model takes."""

import numpy as np
import pytest
import tensorflow as tf

from tfp_flows.architectures import coupling_flow
from tfp_flows.models import FlowModel


def test_seeds_are_those_of_the_model_and_nothing_is_printed(tmp_path, capfd):
    flow = coupling_flow(2, context_size=1, num_layers=1, hidden_sizes=(4,))
    model, context = FlowModel(flow), np.ones([3, 1], "float32")
    capfd.readouterr()
    model.export(str(tmp_path / "served"))
    assert capfd.readouterr().out == ""
    served = tf.saved_model.load(str(tmp_path / "served"))
    for seed in (3, -3, 2**31 - 1, [5, 6]):
        drawn = served.sample(4, seed=seed, context=context)
        expected = model.sample(4, context, seed=seed)
        np.testing.assert_allclose(drawn, expected, atol=1e-6)
    with pytest.raises(tf.errors.InvalidArgumentError):
        served.sample(4, seed=[1, 2, 3], context=context)
