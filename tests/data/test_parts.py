"""Many files of the same columns are read as one table, and streamed."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tfp_flows import data
from tfp_flows.architectures import coupling_flow
from tfp_flows.models import FlowModel


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=(1000, 3))


def write(folder, rows, ending, cuts=(1, 400)):
    folder.mkdir()
    for number, some in enumerate(np.split(rows, cuts)):
        path = folder / f"{number}{ending}"
        if ending == ".npy":
            np.save(path, some)
            continue
        frame = pd.DataFrame(some, columns=list("abc"))
        # Columns are found by name.
        frame = frame[list("cab")] if number == 1 else frame
        if ending == ".csv":
            frame.to_csv(path, index=False)
        else:
            frame.to_parquet(path)
    return folder / f"*{ending}"


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".npy"])
def test_files_are_one_table(tmp_path, rows, ending):
    parts = data.read_table(write(tmp_path / "parts", rows, ending))
    whole = data.load(write(tmp_path / "whole", rows, ending, cuts=()))
    assert parts.name == "parts"
    assert parts.fingerprint() == whole.fingerprint()
    assert parts.schema == whole.schema
    np.testing.assert_allclose(parts.values, rows, rtol=1e-15)


def test_files_of_two_kinds_and_no_files_are_refused(tmp_path, rows):
    pattern = write(tmp_path / "parts", rows, ".csv")
    with pytest.raises(data.DataError, match=r"\*.npz: no file has such a name"):
        data.load(tmp_path / "*.npz")
    (tmp_path / "parts" / "3.csv").write_text("a,b,d\n1,2,3\n")
    with pytest.raises(data.DataError, match=r"3.csv: expected the columns of .*0.csv"):
        data.load(pattern)


def test_a_bad_cell_is_named_with_its_file(tmp_path, rows):
    pattern = write(tmp_path / "parts", rows, ".csv")
    (tmp_path / "parts" / "3.csv").write_text("a,b,c\n1,2,3\n1,oops,3\n")
    with pytest.raises(data.DataError, match=r"3.csv: .*'b' are 'oops'"):
        data.load(pattern)
    schema = data.Schema(columns=("b",), source_columns=("a", "b", "c"))
    with pytest.raises(data.DataError, match=r"3.csv: .*\(row 2: 'oops'\)"):
        list(data.stream_rows(pattern, schema, 64))


def test_memory_does_not_grow_with_the_files(tmp_path, rows):
    pattern = write(tmp_path / "parts", np.tile(rows, (200, 1)), ".npy")
    schema = data.Schema(columns=("x0", "x2"), source_columns=("x0", "x1", "x2"))
    tracemalloc.start()
    count = sum(len(values) for values, _ in data.stream_rows(pattern, schema, 1024))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 200_000
    # 200,000 rows of three float64 are 4.8 MB.
    assert peak < 1.5e6


@pytest.mark.slow
def test_a_flow_is_trained_on_what_is_streamed(tmp_path, rows):
    pattern = write(tmp_path / "parts", rows, ".parquet", cuts=[200, 400, 600, 800])
    schema = data.Schema(columns=("a", "b", "c"), source_columns=("a", "b", "c"))

    def batches():
        for values, _ in data.stream_rows(pattern, schema, 100):
            yield values.astype("float32")

    spec = tf.TensorSpec([None, 3], "float32")
    streamed = tf.data.Dataset.from_generator(batches, output_signature=spec)
    streamed = streamed.apply(tf.data.experimental.assert_cardinality(10))
    models = [
        FlowModel(coupling_flow(3, num_layers=1, hidden_sizes=(8,), seed=0))
        for _ in range(2)
    ]
    for model in models:
        model.compile("adam")
        model.adapt(rows)
    models[0].fit(streamed, epochs=2, verbose=0)
    models[1].fit(rows, epochs=2, batch_size=100, shuffle=False, verbose=0)
    for pair in zip(*(model.trainable_weights for model in models), strict=True):
        np.testing.assert_allclose(*pair, rtol=1e-5, atol=1e-6)
