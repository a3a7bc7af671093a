"""Streams give the rows of the whole file, in the order of the schema."""

import dataclasses
import tracemalloc

import numpy as np
import pytest

from tfp_flows import data


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=(1000, 4))


SCHEMA = data.Schema(
    columns=("c", "a"), context_columns=("d",), source_columns=("a", "b", "c", "d")
)


def save(path, rows):
    if path.suffix == ".npy":
        np.save(path, rows)
    elif path.suffix == ".npz":
        np.savez(path, rows)
    else:
        pd = pytest.importorskip("pandas")
        frame = pd.DataFrame(rows, columns=list("abcd"))
        if path.suffix == ".csv":
            frame.to_csv(path, index=False)
        else:
            frame.to_parquet(path)


def collect(batches):
    batches = list(batches)
    values = np.concatenate([values for values, _ in batches])
    if batches[0][1] is None:
        return values, None
    return values, np.concatenate([context for _, context in batches])


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
@pytest.mark.parametrize("batch_size", [7, 1000, 5000])
def test_named_columns(tmp_path, rows, ending, batch_size):
    save(tmp_path / f"t{ending}", rows)
    batches = list(data.stream_rows(tmp_path / f"t{ending}", SCHEMA, batch_size))
    assert max(len(values) for values, _ in batches) == min(batch_size, 1000)
    values, context = collect(batches)
    np.testing.assert_allclose(values, rows[:, [2, 0]], rtol=1e-15)
    np.testing.assert_allclose(context, rows[:, [3]], rtol=1e-15)


@pytest.mark.parametrize("ending", [".npy", ".npz"])
def test_nameless_columns_by_position(tmp_path, rows, ending):
    path = tmp_path / f"t{ending}"
    save(path, rows[:, [2, 0, 3]])
    values, context = collect(data.stream_rows(path, SCHEMA, 64))
    np.testing.assert_array_equal(values, rows[:, [2, 0]])
    np.testing.assert_array_equal(context, rows[:, [3]])


def test_nameless_columns_of_the_whole_source(tmp_path, rows):
    path = tmp_path / "t.npy"
    save(path, rows)
    fitted = data.read_table(path, columns=["x3", "x1"])
    values, _ = collect(data.stream_rows(path, fitted.schema, 64))
    np.testing.assert_array_equal(values, rows[:, [3, 1]])


def test_wrong_width_and_missing_columns_are_refused(tmp_path, rows):
    np.save(tmp_path / "t.npy", rows[:, :2])
    with pytest.raises(data.DataError, match=r"expected 3 columns \(c, a, d\).* 2:"):
        next(data.stream_rows(tmp_path / "t.npy", SCHEMA, 64))
    (tmp_path / "t.csv").write_text("a,b,c\n1,2,3\n")
    with pytest.raises(data.DataError, match="but d is not among its 3"):
        next(data.stream_rows(tmp_path / "t.csv", SCHEMA, 64))
    (tmp_path / "t.csv").write_text("A,B,C,D\n1,2,3,4\n")
    with pytest.raises(data.DataError, match="but c, a, d are not .*only the capitals"):
        next(data.stream_rows(tmp_path / "t.csv", SCHEMA, 64))


def test_bad_cell_far_into_the_file_is_named(tmp_path):
    lines = ["a,b"] + ["1,2"] * 500 + ["1,oops"]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    schema = data.Schema(columns=("a", "b"), source_columns=("a", "b"))
    with pytest.raises(data.DataError, match=r"'b' is not numeric \(row 501: 'oops'\)"):
        list(data.stream_rows(tmp_path / "t.csv", schema, 64))


def test_images_must_have_the_fitted_shape_and_levels(tmp_path):
    images = np.random.default_rng(0).integers(0, 17, (20, 8, 8)).astype("uint8")
    schema = data.load("digits").schema
    np.save(tmp_path / "i.npy", images)
    values, _ = collect(data.stream_rows(tmp_path / "i.npy", schema, 8))
    np.testing.assert_array_equal(values, images.reshape(20, 64))
    np.save(tmp_path / "wide.npy", images[:, :, :7])
    with pytest.raises(data.DataError, match=r"received images of shape \(8, 7, 1\)"):
        next(data.stream_rows(tmp_path / "wide.npy", schema, 8))
    for wrong in (images + 17, (images / 16).reshape(20, 64)):
        np.save(tmp_path / "wrong.npy", wrong)
        with pytest.raises(data.DataError, match="expected gray levels 0, 1, ..., 16"):
            next(data.stream_rows(tmp_path / "wrong.npy", schema, 8))


def test_dequantized_columns_must_hold_integers(tmp_path, rows):
    schema = dataclasses.replace(SCHEMA, integer_columns=("a",))
    save(tmp_path / "t.csv", rows)
    with pytest.raises(data.DataError, match="expected integers in a, received 0.1257"):
        next(data.stream_rows(tmp_path / "t.csv", schema, 8))
    save(tmp_path / "t.csv", np.rint(rows))
    next(data.stream_rows(tmp_path / "t.csv", schema, 8))


def test_built_in_images_must_have_the_fitted_shape():
    # The names would do: the first pixels of any image are called alike.
    digits = data.load("digits").schema
    small = dataclasses.replace(
        digits, columns=digits.columns[:16], image_shape=(4, 4, 1)
    )
    with pytest.raises(data.DataError, match=r"received images of shape \(8, 8, 1\)"):
        next(data.stream_rows("digits", small, 8))


def test_context_alone_is_read_of_images():
    schema = data.Schema(columns=("digit",), source_columns=("digit",))
    values, _ = collect(data.stream_rows("digits", schema, 64))
    digits = data.load("digits", context=["digit"])
    np.testing.assert_array_equal(values, digits.context)


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".npy", ".npz"])
def test_whole_table_is_its_batches_joined(tmp_path, rows, ending):
    path = tmp_path / f"t{ending}"
    save(path, np.tile(rows, (70, 1)))
    table = data.read_table(path)
    assert len(table.values) == 70_000
    values, _ = collect(data.stream_rows(path, table.schema, 999))
    np.testing.assert_array_equal(table.values, values)
    like = data.load_like(path, table.schema)
    assert like.fingerprint() == table.fingerprint()


def test_built_in_set_and_unknown_name():
    schema = data.load("moons").schema
    values, _ = collect(data.stream_rows("moons", schema, 4096))
    np.testing.assert_array_equal(values, data.load("moons").values)
    np.testing.assert_array_equal(data.load_like("moons", schema).values, values)
    with pytest.raises(data.DataError, match="unknown data set 'mons'.*moons"):
        next(data.stream_rows("mons", schema, 64))


@pytest.mark.parametrize("ending", [".csv", ".npy"])
def test_memory_does_not_grow_with_the_file(tmp_path, rows, ending):
    path = tmp_path / f"t{ending}"
    save(path, np.tile(rows, (200, 1)))
    schema = SCHEMA if ending == ".csv" else data.read_table(path).schema
    tracemalloc.start()
    for _ in data.stream_rows(path, schema, 1024):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # 200,000 rows of four float64 are 6.4 MB.
    assert peak < 2e6
