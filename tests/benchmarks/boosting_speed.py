"""What boosting costs: a stage's training step, and log_prob of several components.

    python -m tests.benchmarks.boosting_speed [--rounds 9]

`step`: the training step of the second component by the rule "mixture" (log G is looked
up) against that of the same flow alone by maximum likelihood, and against one that
evaluates G in the step. `log_prob`: C components of the same form in one `tf.function`
against C times one; beside it one component on C times the rows, which is the work that
stacked weights would leave, without their cost: a bound on what vectorizing over
components can win. D = 6, four spline couplings of 2 × 64 units;
batch 512 for steps, 4,096 for log_prob. Medians over rounds, in turn.
"""

import argparse
import statistics
import time

import keras
import numpy as np
import tensorflow as tf

from tfp_flows.architectures import coupling_flow
from tfp_flows.models import FlowModel
from tfp_flows.objectives import MixtureLikelihood

SIZE, STEP_ROWS, ROWS, COMPONENTS = 6, 512, 4096, 4


def build(seed):
    return coupling_flow(SIZE, num_layers=4, hidden_sizes=(64, 64), seed=seed)


def step_function(model, arguments):
    """A compiled training step on a batch that stays."""
    model.compile(keras.optimizers.Adam(1e-4))
    model.optimizer.build(model.trainable_variables)
    return tf.function(lambda: model.train_step(arguments), autograph=False)


def steps():
    """Title → one training step."""
    x = np.random.default_rng(0).normal(size=[STEP_ROWS, SIZE]).astype("float32")
    single, boosted, evaluating = (FlowModel(build(seed)) for seed in (0, 1, 2))
    frozen = build(3)
    for model in (single, boosted, evaluating):
        model.adapt(x)
    for model in (boosted, evaluating):
        model.objective = MixtureLikelihood(0.5)
    log_mixture = single.log_prob(x)
    evaluated = tf.function(lambda: frozen.log_prob(tf.constant(x)), autograph=False)
    step = step_function(evaluating, ((x, log_mixture),))

    def evaluate_and_step():
        evaluated()
        return step()

    return {
        "flow alone": step_function(single, (x,)),
        "second component": step_function(boosted, ((x, log_mixture),)),
        "… G evaluated": evaluate_and_step,
    }


def densities(jit):
    """Title → log_prob of a batch by one and by C components."""
    x = tf.random.stateless_normal([ROWS, SIZE], [0, 1])
    flows = [build(seed) for seed in range(COMPONENTS)]

    def compiled(function):
        return tf.function(function, autograph=False, jit_compile=jit)

    return {
        "one": compiled(lambda: flows[0].log_prob(tf.identity(x))),
        "several": compiled(
            lambda: tf.stack([flow.log_prob(tf.identity(x)) for flow in flows])
        ),
        "stacked": compiled(lambda: flows[0].log_prob(tf.tile(x, [COMPONENTS, 1]))),
    }


def medians(functions, rounds, repeats):
    """Title → median seconds, measured in turn."""
    for function in functions.values():
        function()
    times = {title: [] for title in functions}
    for _ in range(rounds):
        for title, function in functions.items():
            start = time.perf_counter()
            for _ in range(repeats):
                result = function()
            tf.nest.map_structure(np.asarray, result)
            times[title].append((time.perf_counter() - start) / repeats)
    return {title: statistics.median(values) for title, values in times.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    found = medians(steps(), rounds, 20)
    alone = found["flow alone"]
    print("training step")
    for title, seconds in found.items():
        print(f"  {title:20}{1e3 * seconds:9.2f} ms {seconds / alone:7.2f} ×")
    for jit in (False, True):
        found = medians(densities(jit), rounds, 5)
        most = COMPONENTS * found["one"]
        print(f"log_prob of {ROWS:,} rows{', XLA' if jit else ''}")
        for key, title in (
            ("one", "one component"),
            ("several", f"{COMPONENTS} components"),
            ("stacked", f"one, {COMPONENTS} × the rows"),
        ):
            print(
                f"  {title:20}{1e3 * found[key]:9.2f} ms "
                f"{found[key] / most:7.2f} × {COMPONENTS} × one"
            )


if __name__ == "__main__":
    main()
