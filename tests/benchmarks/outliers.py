"""Which rows are of another kind: a flow at its defaults beside other detectors.

    python -m tests.benchmarks.outliers [--seeds 3]

Trained on half of the gamma showers of magic; of the other half and of the hadron
showers, which nothing has seen, the area under the ROC curve. Needs PyOD.
"""

import argparse
import time

import numpy as np
from pyod.models.ecod import ECOD
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tfp_flows.data import load_builtin
from tfp_flows.sklearn import FlowDensity, FlowOutlierDetector


def detectors(seed):
    """Name → (estimator, rows → scores, low for what is abnormal)."""
    mixture = make_pipeline(StandardScaler(), GaussianMixture(10, random_state=seed))
    flow = FlowOutlierDetector(FlowDensity(dtype="float32"), random_state=seed)
    return {
        "flow": (flow, lambda x: flow.score_samples(x)),
        "isolation forest": (
            forest := IsolationForest(random_state=seed),
            lambda x: forest.score_samples(x),
        ),
        "ECOD": (ecod := ECOD(), lambda x: -ecod.decision_function(x)),
        "mixture of 10": (mixture, lambda x: mixture.score_samples(x)),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    seeds = parser.parse_args().seeds
    table = load_builtin("magic")
    # 0 is the gamma shower, 1 the hadron.
    is_hadron = table.context[:, 0] == 1
    found = {}
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(np.flatnonzero(~is_hadron))
        train, ordinary = np.split(table.values[order], [len(order) // 2])
        x = np.concatenate([ordinary, table.values[is_hadron]])
        label = np.arange(len(x)) < len(ordinary)
        for name, (detector, score) in detectors(seed).items():
            start = time.perf_counter()
            detector.fit(train)
            seconds = time.perf_counter() - start
            area = roc_auc_score(label, score(x))
            alarms = np.nan
            if name == "flow":
                alarms = np.mean(detector.predict(ordinary) < 0)
            found.setdefault(name, []).append((area, seconds, alarms))
            print(seed, name, f"{area:.4f} {seconds:.1f} s", flush=True)
    print(
        "| detector | AUC | seconds | false alarms at 5 % |\n| --- | --- | --- | --- |"
    )
    for name, values in found.items():
        (area, seconds, alarms), error = np.mean(values, 0), np.std(values, 0)[0]
        print(f"| {name} | {area:.3f} ± {error:.3f} | {seconds:.0f} | {alarms:.3f} |")


if __name__ == "__main__":
    main()
