"""A model's file may be anybody's: it runs nothing, fills nothing, and fits its run."""

import json
import shutil
import zipfile

import keras
import pytest


@pytest.fixture
def copy(fitted, tmp_path):
    folder, table = fitted
    shutil.copytree(folder, tmp_path / "run")
    return tmp_path / "run", table


def rewrite(folder, edit):
    """Edits the configuration in the model's file."""
    path = folder / "model.keras"
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(content["config.json"])
    edit(config, config["config"]["distribution"]["objects"])
    content["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def name_code(config, objects):
    objects[-1]["class"] = "os:system"


def name_keras_code(config, objects):
    objects[-1] = {"keras": {"module": "os", "class_name": "system", "config": {}}}


def name_a_model(config, objects):
    config.update(module="os", class_name="system", registered_name=None)


def add_lambda(config, objects):
    function = {"class_name": "__lambda__", "config": {"code": "4wAAAAA="}}
    layer = {"name": "l", "function": function}
    objects[-1] = {
        "keras": {"module": "keras.layers", "class_name": "Lambda", "config": layer}
    }


@pytest.mark.parametrize("edit", [name_code, name_keras_code, name_a_model, add_lambda])
def test_code_is_named_and_not_run(copy, refused, edit):
    folder, _ = copy
    rewrite(folder, edit)
    message = refused("sample", folder, "-n", "3", "--out", "-")
    assert "model.keras: the file names code that a model may not call" in message
    assert "none of it was run" in message
    assert "system" in message or "Lambda" in message
    assert "damaged" not in message


def widen_event(config, objects):
    linear = next(o for o in objects if "Linear" in o.get("class", ""))
    linear["parameters"]["event_size"] = 50_000_000


def widen_network(config, objects):
    coupling = next(o for o in objects if "Coupling" in o.get("class", ""))
    coupling["parameters"]["hidden_sizes"] = {"tuple": [50_000_000, 50_000_000]}


def widen_variable(config, objects):
    shape = [50_000_000, 50_000_000]
    objects[0] = {"variable": "v", "shape": shape, "dtype": "float32"}


@pytest.mark.parametrize("edit", [widen_event, widen_network, widen_variable])
def test_sizes_are_bounded_by_what_the_file_holds(copy, refused, edit):
    folder, _ = copy
    rewrite(folder, edit)
    message = refused("sample", folder, "-n", "3", "--out", "-")
    assert "00000, and holds no more than" in message
    assert "it was not loaded" in message


# TensorFlow asks for memory again and again, ten seconds long.
SLOW = [
    pytest.param(edit, marks=pytest.mark.slow)
    for edit in (widen_network, widen_variable)
]


@pytest.mark.parametrize("edit", [widen_event, *SLOW])
def test_sizes_are_bounded_by_memory_where_keras_loads(copy, edit):
    folder, _ = copy
    rewrite(folder, edit)
    with pytest.raises(ValueError, match="speaks of .*0000000, .*it was not loaded"):
        keras.models.load_model(folder / "model.keras")


def test_files_of_two_runs_are_told_apart(copy, refused):
    folder, table = copy
    record = folder / "run.json"
    content = json.loads(record.read_text())
    content["schema"]["columns"] = ["a", "b", "d"]
    record.write_text(json.dumps(content))
    message = refused("sample", folder, "-n", "3", "--out", "-")
    assert "run.json is of 3 columns and 1 of context" in message
    assert "model.keras of 2 and 1" in message
    content["schema"].update(columns=["a", "b", "c"], context_columns=[])
    record.write_text(json.dumps(content))
    assert "held_out.npz of 3 and 1" in refused("score", folder, table, "--out", "-")
    assert "model.keras of 2 and 1" in refused("evaluate", folder, table)
