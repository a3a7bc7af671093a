"""Every example runs, and the README's Python runs as it stands."""

import pathlib
import re
import runpy

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


# A layer costs seconds of tracing, and eight show what thirty-two would.
QUICK = {"stable_training": {"couplings": 8}}


# It compares trainings of several networks.
SLOW = {"self_normalizing_flows"}


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(
            path,
            id=path.stem,
            marks=[pytest.mark.slow] if path.stem in SLOW else [],
        )
        for path in EXAMPLES
    ],
)
def test_example_runs(path):
    main = runpy.run_path(str(path))["main"]
    printing = np.get_printoptions()
    assert main(epochs=1, num_rows=600, **QUICK.get(path.stem, {})) < 0
    assert np.get_printoptions() == printing


def readme():
    return (ROOT / "README.md").read_text()


def test_readme_is_short_and_its_commands_are_one_line_each():
    assert len(readme().splitlines()) <= 200
    blocks = re.findall(r"```bash\n(.*?)```", readme(), re.DOTALL)
    assert len(blocks) == 2
    assert all(len(block.strip().splitlines()) == 1 for block in blocks)


ABSTRACT = {"Conditioner", "TrainableBijector"}


def test_readme_names_everything_that_exists():
    from tfp_flows import architectures, bijectors, distributions, networks

    for package in (architectures, bijectors, distributions, networks):
        for name in package.__all__:
            if name[0].isupper() and name not in ABSTRACT:
                assert f"`{name}`" in readme()
