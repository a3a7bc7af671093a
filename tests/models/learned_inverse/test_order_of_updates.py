"""Each weight is read before it is updated, in graphs as TensorFlow optimizes them."""

import collections
import contextlib
from functools import partial

import keras
import numpy as np
import pytest
from tensorflow.python.eager import context
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tfp_flows import architectures
from tfp_flows.bijectors import SelfNormalizingConv2D, SelfNormalizingDense
from tfp_flows.models import FlowModel
from tfp_flows.objectives import Reconstruction


def flow_of(layer):
    base = tfd.Sample(tfd.Normal(0.0, 1.0), layer.probe_shape)
    return tfd.TransformedDistribution(base, tfb.Invert(layer))


FLOWS = {
    # Whose sum of log-determinants the optimizer rewrites most.
    "glow": lambda: architectures.glow(
        (4, 4, 1), linear="self_normalizing", steps_per_level=1, hidden_sizes=(4, 4)
    ),
    "fully connected": lambda: architectures.fully_connected_flow(2),
    "dense, mixture": lambda: flow_of(SelfNormalizingDense(2, density="mixture")),
    "dense, relative": lambda: flow_of(SelfNormalizingDense(2, gradient="relative")),
    "convolution": lambda: flow_of(SelfNormalizingConv2D((2, 2, 2))),
    "convolution, mixture": lambda: flow_of(
        SelfNormalizingConv2D((2, 2, 2), density="mixture")
    ),
}

QUICK, SLOW = ("glow", "dense, mixture"), pytest.mark.slow


@pytest.mark.parametrize("trains", ["inverse", pytest.param("both", marks=SLOW)])
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in QUICK else SLOW) for name in FLOWS],
)
def test_no_weight_is_updated_before_another_ones_gradient_has_read_it(name, trains):
    """It was, by a race that one trace of ten lost: its R was then one step ahead."""
    flow = FLOWS[name]()
    model = FlowModel(flow, penalties=[Reconstruction(trains=trains)])
    model.compile(keras.optimizers.Adam(0.01), jit_compile=False)
    x = np.random.default_rng(0).normal(size=[16, *flow.event_shape]).astype("float32")
    for step in (model.train_on_batch, partial(model.fit, batch_size=16, verbose=0)):
        with optimized_graphs() as graphs:
            step(x)
        assert sum(count_updates(graph) for graph in graphs) >= 3
        assert [pair for graph in graphs for pair in unordered(graph)] == []


@contextlib.contextmanager
def optimized_graphs():
    """Yields a list that holds, in the end, the graphs of all functions run within."""
    graphs = []
    context.context().enable_graph_collection()
    try:
        yield graphs
        found = context.context().export_run_metadata().function_graphs
        graphs.extend(part.post_optimization_graph for part in found)
    finally:
        context.context().disable_graph_collection()


def source(edge):
    return edge.lstrip("^").split(":")[0]


def is_update(node):
    return node.op.startswith(("Assign", "ResourceApply"))


def count_updates(graph):
    return sum(is_update(node) for node in graph.node)


def unordered(graph):
    """Pairs of an update and a read of one variable that no path joins."""
    nodes = {node.name: node for node in graph.node}
    after = collections.defaultdict(set)
    for node in graph.node:
        for edge in node.input:
            after[source(edge)].add(node.name)

    def variable(node):
        while node.op in ("ReadVariableOp", "Identity") or is_update(node):
            node = nodes[source(node.input[0])]
        return node.name

    def follow(start):
        seen, left = set(), [start]
        while left:
            for name in after[left.pop()] - seen:
                seen.add(name)
                left.append(name)
        return seen

    reads = [node for node in graph.node if node.op == "ReadVariableOp"]
    return [
        (update.name, read.name)
        for update in filter(is_update, graph.node)
        for read in reads
        if variable(read) == variable(update)
        and read.name not in follow(update.name)
        and update.name not in follow(read.name)
    ]
