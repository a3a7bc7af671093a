"""Files are read as they are, or refused in one line that names the remedy."""

import builtins
import dataclasses
import json
import os

import numpy as np
import pytest

from tfp_flows import data


def write(folder, text, name="table.csv"):
    path = folder / name
    path.write_text(text)
    return path


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=(30, 3))


def test_csv_columns_by_name(tmp_path):
    path = write(tmp_path, "a,b,c\n1,2.5,3\n4,5.5,6\n")
    table = data.read_table(path, columns=["c", "a"], context=["b"])
    assert table.columns == ("c", "a")
    np.testing.assert_array_equal(table.values, [[3, 1], [6, 4]])
    np.testing.assert_array_equal(table.context, [[2.5], [5.5]])
    assert table.source_columns == ("a", "b", "c")


def test_csv_context_and_excluded_columns_are_not_modeled(tmp_path):
    path = write(tmp_path, "a,b,c,d\n1,2,3,4\n5,6,7,8\n")
    table = data.read_table(path, context=["b"], exclude=["d"])
    assert table.columns == ("a", "c")
    assert table.context_columns == ("b",)


def test_csv_without_header_and_with_byte_order_mark(tmp_path):
    assert data.read_table(write(tmp_path, "1,2\n3,4\n")).columns == ("x0", "x1")
    marked = tmp_path / "marked.csv"
    marked.write_bytes(b"\xef\xbb\xbfa,b\n1,2\n")
    assert data.read_table(marked).columns == ("a", "b")


def test_csv_empty_cells_are_invalid_rows(tmp_path):
    path = write(tmp_path, "a,b\n1,\n2,3\ninf,4\n5\n")
    assert np.isfinite(data.read_table(path).values).all(axis=1).sum() == 1
    table = data.read_table(path, drop_invalid=True)
    np.testing.assert_array_equal(table.values, [[2, 3]])
    assert table.dropped == 3


def test_parquet_keeps_numbers_of_every_numeric_type(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    columns = {
        "f": pa.array([1.5, None], pa.float32()),
        "i": pa.array([2, None], pa.int64()),
        "b": pa.array([True, False]),
        "text": pa.array(["u", "v"]),
    }
    path = tmp_path / "t.parquet"
    pyarrow.parquet.write_table(pa.table(columns), path)
    table = data.read_table(path, exclude=["text"])
    np.testing.assert_array_equal(table.values, [[1.5, 2, 1], [np.nan, np.nan, 0]])
    with pytest.raises(data.DataError, match="'text' is not numeric"):
        data.read_table(path)


def test_npy_matrix_vector_and_images(tmp_path, rows):
    np.save(tmp_path / "m.npy", rows.astype("float32"))
    table = data.read_table(tmp_path / "m.npy", context=["x1"])
    assert table.columns == ("x0", "x2")
    np.testing.assert_array_equal(table.values, rows[:, [0, 2]].astype("float32"))
    np.save(tmp_path / "v.npy", rows[:, 0])
    assert data.read_table(tmp_path / "v.npy").values.shape == (30, 1)
    images = np.arange(2 * 4 * 3 * 2, dtype="uint8").reshape(2, 4, 3, 2)
    np.save(tmp_path / "i.npy", images)
    table = data.read_table(tmp_path / "i.npy")
    assert (table.image_shape, table.levels) == ((4, 3, 2), 256)
    np.testing.assert_array_equal(table.values.reshape(images.shape), images)


def test_npz_with_context_and_with_one_array(tmp_path, rows):
    np.savez(tmp_path / "both.npz", x=rows[:, :2], context=rows[:, 2])
    table = data.read_table(tmp_path / "both.npz")
    assert table.context_columns == ("context0",)
    np.testing.assert_array_equal(table.context, rows[:, 2:])
    np.savez(tmp_path / "one.npz", anything=rows)
    np.testing.assert_array_equal(data.read_table(tmp_path / "one.npz").values, rows)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n1,2\n", "first line is empty"),
        ("a,b\n", "no rows"),
        ("a,a\n1,2\n", "two columns are named 'a'"),
        ("a,b\n1,2\n3,x\n", r"'b' is not numeric \(row 2: 'x'\).*exclude=\['b'\]"),
        ("a,b\n1,2\n3,4,5\n", "line 3"),
        ("a,b\n1,2,3\n", "more fields than the 2 names"),
        ('a,b\n1,2\n"3,', "EOF inside string"),
    ],
)
def test_bad_csv_is_refused(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(data.DataError, match=message) as caught:
        data.read_table(path)
    assert "\n" not in str(caught.value)
    assert "table.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("names", "low", "expected"),
    [
        ("0,1,2", 0, True),
        (",0,1,2", 0, True),
        ("2019,2020,2021", 0, True),
        ("1,2,3", 0, True),
        ("0.5,0.25,0.125", 0, False),
        ("0.1,0.2,0.3", 0, False),
        ("5.5,5.5,5.5", 0, False),
        ("0,0,0", 100, False),
        ("", 0, False),
    ],
)
def test_first_line_of_numbers(tmp_path, names, low, expected):
    rows = np.random.default_rng(1).normal(low, size=(200, 3)).tolist()
    if names.startswith(","):
        rows = [[i, *row] for i, row in enumerate(rows)]
    lines = [names] if names else []
    lines += [",".join(map(repr, row)) for row in rows]
    path = write(tmp_path, "\n".join(lines))
    table = data.read_table(path)
    assert table.header is expected
    assert len(table.values) == 200 + bool(names) - expected
    assert data.describe(table).first_line.startswith("names" if expected else "a row")
    row = data.read_table(path, header="no")
    assert len(row.values) == 200 + bool(names)
    for read in (table, row):
        schema = json.loads(json.dumps(dataclasses.asdict(read.schema)))
        again = data.load_like(path, data.Schema.from_dict(schema))
        np.testing.assert_array_equal(again.values, read.values)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (np.random.default_rng(0).integers(0, 17, (100, 64)), True),
        (np.arange(6400).reshape(100, 64), False),
        (np.random.default_rng(0).normal(size=(100, 64)).cumsum(axis=0), True),
    ],
)
def test_first_line_that_rises_is_a_header_unless_rows_do(tmp_path, rows, expected):
    lines = [
        ",".join(map(str, 400 + np.arange(64))),
        *(",".join(map(str, r)) for r in rows),
    ]
    table = data.read_table(write(tmp_path, "\n".join(lines)))
    assert table.header is expected


def test_first_line_with_text_above_text_may_be_a_row(tmp_path):
    numbers = np.linspace(0.1, 0.9, 50).tolist()
    lines = [f"{'uv'[i % 2]},{number!r}" for i, number in enumerate(numbers)]
    path = write(tmp_path, "\n".join(lines))
    assert data.read_table(path, exclude=["x0"]).values.shape == (50, 1)
    assert data.read_table(path, header="yes", exclude=["u"]).columns == ("0.1",)
    with pytest.raises(data.DataError, match="no first line of numbers.*header=…"):
        data.read_table(write(tmp_path, "a,b\n1,2\n"), header="no")


@pytest.mark.parametrize(
    "text",
    [
        "a;b c;d\n0,125;1,5;-2,3e1\n1;2;3\n",
        "0,125;1,5;-2,3e1\n1;2;3\n",
        '"Length, mm";b;c\n0,125;1,5;-2,3e1\n1;2;3\n',
        "a\tb\tc\n0.125\t1.5\t-23.0\n1\t2\t3\n",
        "a|b|c\n0.125|1.5|-23.0\n1|2|3\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_other_separators_decimal_commas_and_utf_16(tmp_path, text, encoding):
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode(encoding))
    table = data.read_table(path)
    np.testing.assert_array_equal(table.values, [[0.125, 1.5, -23], [1, 2, 3]])
    assert len(table.columns) == 3


def test_decimal_commas_are_read_to_the_last_digit(tmp_path, rows):
    lines = [";".join(map(repr, row)).replace(".", ",") for row in rows.tolist()]
    table = data.read_table(write(tmp_path, "\n".join(["a;b;c", *lines])))
    np.testing.assert_array_equal(table.values, rows)


def test_text_among_numbers_may_be_declared_missing(tmp_path, rows):
    lines = [",".join(map(repr, row)) for row in rows.tolist()]
    text = "\n".join(["a,b,c", *lines, "?,-999,1.5", "1,2,x y", "?,3,u"])
    path = write(tmp_path, text)
    with pytest.raises(data.DataError) as caught:
        data.read_table(path)
    assert "2 of 33 cells of 'a' are '?', 2 of 33 cells of 'c' are 'u', 'x y'" in str(
        caught.value
    )
    assert "missing=['?', 'u', 'x y']" in str(caught.value)
    options = {"missing": ["?", "u", "x y", "-999"]}
    table = data.read_table(path, **options)
    assert np.isnan(table.values).sum(axis=0).tolist() == [2, 1, 2]
    assert data.read_table(path, drop_invalid=True, **options).dropped == 3
    again = data.load_like(path, table.schema)
    np.testing.assert_array_equal(again.values, table.values)
    np.save(tmp_path / "t.npy", np.where(rows > 1, -999, rows))
    array = data.read_table(tmp_path / "t.npy", missing=["-999"]).values
    np.testing.assert_array_equal(np.isnan(array), rows > 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("größe,b\n1,2\n".encode("latin1"), "iconv -f latin1 -t utf-8 t.csv"),
        (b"a,b\n" + b"1,2\n" * 30_000 + b"\xe9,2\n", "iconv"),
        (b"# by x\na,b\n1,2\n", r"first line is a comment.*grep -v '\^#' t.csv"),
        (b"a,b\n1,2\n# by x\n3,4\n", "row 2 is a comment"),
        (b"a;b\n1,5;2.5\n", r"decimal comma \('1,5'\), others a point \('2.5'\)"),
    ],
)
def test_other_ways_to_write_a_text_are_refused(tmp_path, content, message):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(data.DataError, match=message):
        data.read_table(path)


def test_weights_are_read_beside_the_columns(tmp_path):
    path = write(tmp_path, "a,w,b\n1.5,2,3\n4,0,6\n7,1,8\n1,,1\n")
    table = data.read_table(path, weights="w", context=["b"], drop_invalid=True)
    assert (table.columns, table.context_columns) == (("a",), ("b",))
    np.testing.assert_array_equal(table.weight, [2, 0, 1])
    np.testing.assert_array_equal(table.equally_weighted().values[:, 0], [1.5, 1.5, 7])
    plain = data.read_table(path, exclude=["w"], context=["b"]).take(np.arange(3))
    assert plain.equally_weighted() is plain
    assert plain.fingerprint() != table.fingerprint()


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"context": ["a"], "weights": "a"}, "both context=… and weights=…"),
        ({"weights": "z"}, "weights=… names the column 'z'"),
        ({"columns": ["a", "z"]}, "'z', which is not there: its columns are a, b"),
        ({"context": ["z"]}, "context=… names the column 'z'"),
        ({"columns": ["a"], "context": ["a"]}, "both columns=… and context=…"),
        ({"columns": ["a", "a"]}, "twice"),
        ({"context": ["a"], "exclude": ["b"]}, "no column is left"),
    ],
)
def test_bad_choice_of_columns_is_refused(tmp_path, choice, message):
    with pytest.raises(data.DataError, match=message):
        data.read_table(write(tmp_path, "a,b\n1,2\n"), **choice)


@pytest.mark.parametrize("ending", [".npy", ".npz"])
def test_garbage_is_refused_without_advice_to_run_it(tmp_path, ending):
    path = tmp_path / f"t{ending}"
    path.write_bytes(bytes(range(1, 200)))
    with pytest.raises(data.DataError, match="something else than numbers") as caught:
        data.read_table(path)
    assert "pickle" not in str(caught.value)


@pytest.mark.parametrize("ending", [".npy", ".npz", ".parquet"])
def test_truncated_binary_file_is_refused(tmp_path, rows, ending):
    path = tmp_path / f"t{ending}"
    if ending == ".npy":
        np.save(path, rows)
    elif ending == ".npz":
        np.savez(path, x=rows)
    else:
        pd = pytest.importorskip("pandas")
        pd.DataFrame(rows, columns=list("abc")).to_parquet(path)
    whole = path.read_bytes()
    for length in (1, 40, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(data.DataError, match="not a whole"):
            data.read_table(path)
    path.write_bytes(whole)
    np.testing.assert_array_equal(data.read_table(path).values, rows)


def test_bad_arrays_are_refused(tmp_path, rows):
    cases = {
        "dtype complex128": rows.astype(complex),
        "dtype <U": np.array([["a", "b"]]),
        "not a whole NumPy file of numbers": np.array([[None, 1]]),
        "no rows": rows[:0],
        "no columns": rows[:, :0],
        "expected rows": rows.reshape(5, 3, 6),
    }
    for message, array in cases.items():
        np.save(tmp_path / "t.npy", array, allow_pickle=True)
        with pytest.raises(data.DataError, match=message) as caught:
            data.read_table(tmp_path / "t.npy")
        assert "pickle" not in str(caught.value)
    np.savez(tmp_path / "t.npz", x=rows, y=rows)
    with pytest.raises(data.DataError, match="found the keys x, y"):
        data.read_table(tmp_path / "t.npz")
    np.savez(tmp_path / "t.npz", x=rows, context=rows[:5])
    with pytest.raises(data.DataError, match="one row for each row"):
        data.read_table(tmp_path / "t.npz")


def test_missing_file_folder_and_unknown_ending_are_refused(tmp_path):
    with pytest.raises(data.DataError, match="no such file"):
        data.read_table(tmp_path / "absent.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(data.DataError, match="this is a folder"):
        data.read_table(tmp_path / "folder.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(data.DataError, match="received a pipe or a device: write the"):
        data.read_table(tmp_path / "pipe.csv")
    with pytest.raises(data.DataError, match=r"\.csv, \.parquet.*received \.xlsx"):
        data.read_table(write(tmp_path, "a", "t.xlsx"))


@pytest.mark.parametrize(
    ("package", "ending"), [("pandas", ".csv"), ("pyarrow", ".parquet")]
)
def test_missing_reader_names_the_extra(tmp_path, monkeypatch, package, ending):
    real_import = builtins.__import__

    def without_package(name, *args, **kwargs):
        if name.split(".")[0] == package:
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    path = write(tmp_path, "a,b\n1,2\n", f"t{ending}")
    monkeypatch.setattr(builtins, "__import__", without_package)
    with pytest.raises(data.DataError, match=rf'{package}.*"tfp_flows\[cli\]"'):
        data.read_table(path)


def test_fingerprint_depends_on_numbers_and_names(rows):
    table = data.Table("t", rows, ("a", "b", "c"))
    same = data.Table("other", np.asfortranarray(rows), ("a", "b", "c"))
    moved = data.Table("t", rows + 1e-12, ("a", "b", "c"))
    renamed = data.Table("t", rows, ("a", "b", "d"))
    assert table.fingerprint() == same.fingerprint()
    prints = {t.fingerprint() for t in (table, moved, renamed)}
    assert len(prints) == 3


def test_table_refuses_shapes_that_disagree(rows):
    with pytest.raises(data.DataError, match="expected values of shape"):
        data.Table("t", rows, ("a", "b"))
    with pytest.raises(data.DataError, match="expected context of shape"):
        data.Table("t", rows, ("a", "b", "c"), rows[:2], ("d", "e", "f"))


def test_array_file_under_the_other_ending_is_read(tmp_path, rows):
    np.savez(tmp_path / "a.npz", x=rows)
    (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    np.testing.assert_array_equal(data.read_table(tmp_path / "a.npy").values, rows)
    np.save(tmp_path / "b.npy", rows)
    (tmp_path / "b.npy").rename(tmp_path / "b.npz")
    np.testing.assert_array_equal(data.read_table(tmp_path / "b.npz").values, rows)
