"""Tables are read in pieces as pandas reads them at once."""

import csv
import gzip
import io
import pickle
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tfxai
from tfxai.scale.sources import opened
from tfxai.scale.sources.records import records
from tfxai.scale.sources.tables import table

pandas = pytest.importorskip("pandas")
N = 997
RNG = np.random.default_rng(0)
FRAME = pandas.DataFrame({
    "age": RNG.integers(18, 90, N),
    "income": RNG.normal(size=N),
    "city": [('Bonn', 'Köln, "am Rhein"', "a\nb", "")[k % 4] for k in range(N)],
    "paid": RNG.random(N) < 0.5,
    "buys": RNG.integers(0, 3, N),
})  # fmt: skip
TWO = [("age", (None, 1), "int64"), ("income", (None, 1), "float32")]


@pytest.fixture(autouse=True)
def pieces_of_a_kilobyte(monkeypatch):
    monkeypatch.setattr("tfxai.scale.sources.records.PIECE", 1000)


def _csv(path, name="t.csv", frame=FRAME, **options):
    frame.to_csv(path / name, index=False, **options)
    return path / name


def _parquet(path, name="t.parquet", frame=FRAME):
    pytest.importorskip("pyarrow")
    frame.to_parquet(path / name, row_group_size=100)
    return path / name


KINDS = {
    "csv": (_csv, {}),
    "windows": (lambda p: _csv(p, lineterminator="\r\n"), {}),
    "semicolons": (lambda p: _csv(p, sep=";", decimal=","), {"separator": ";", "decimal": ","}),
    "tabs": (lambda p: _csv(p, "t.tsv", sep="\t"), {}),
    "no header": (lambda p: _csv(p, header=False), {"header": False}),
    "mark": (lambda p: _csv(p, encoding="utf-8-sig"), {}),
    "western": (lambda p: _csv(p, encoding="cp1252"), {"encoding": "cp1252"}),
    "gzip": (lambda p: _csv(p, "t.csv.gz"), {}),
    "xz": (lambda p: _csv(p, "t.tsv.xz", sep="\t"), {}),
    "bzip2": (lambda p: _csv(p, "t.CSV.BZ2", compression="bz2"), {}),
    "parquet": (_parquet, {}),
}


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_stretches_of_every_kind(kind, tmp_path):
    make, options = KINDS[kind]
    source = table(make(tmp_path), **options).as_source(None)
    whole = FRAME.assign(city=FRAME["city"].replace("", np.nan)) if kind != "parquet" else FRAME
    whole = whole.set_axis([f"column {k}" for k in range(1, 6)], axis=1) if kind == "no header" else whole
    assert (source.n, source.sequential, source.names) == (N, kind in ("gzip", "xz", "bzip2"), None)
    assert len(source.pieces.rows) > 9  # it is read in pieces
    for k, (start, stop) in enumerate(((0, 5), (400, 650), (990, N), (3, 4), (0, N))):
        x = source.read(start, stop).x
        pandas.testing.assert_frame_equal(x, whole.iloc[start:stop].reset_index(drop=True), rtol=1e-15)
        if k == 1:
            source = pickle.loads(pickle.dumps(source))  # reads the same elsewhere


@pytest.mark.parametrize("make", [_csv, _parquet])
def test_labels_and_columns(make, tmp_path):
    source = table(make(tmp_path), "buys", ["income", "age"]).as_source([("x", (None, 2), "float32")])
    batch = source.read(100, 300)
    assert list(batch.x.columns) == ["income", "age"]
    assert np.allclose(batch.x.to_numpy(), FRAME[["income", "age"]][100:300], rtol=1e-15)
    assert np.array_equal(batch.y, FRAME["buys"][100:300])
    assert list(table(make(tmp_path), "buys", index=True).as_source(None).read(0, 1).x.columns) == [
        "income",
        "city",
        "paid",
    ]
    assert list(table(make(tmp_path), "buys").as_source(None).read(0, 1).x.columns) == ["age", "income", "city", "paid"]


@pytest.mark.parametrize("make", [_csv, _parquet])
def test_columns_that_are_inputs_of_their_own(make, tmp_path):
    x = opened(make(tmp_path), TWO).read(5, 250).x
    assert list(x) == ["age", "income"] and np.array_equal(x["age"], FRAME["age"][5:250])
    assert np.allclose(x["income"], FRAME["income"][5:250], rtol=1e-15)


@pytest.mark.parametrize("make", [_csv, _parquet])
def test_identity_is_that_of_the_content(make, tmp_path):
    for name in "abc":
        (tmp_path / name).mkdir()
    frame = FRAME.copy()
    frame.loc[500, "age"] += 1
    first, copy = opened(make(tmp_path / "a")).identity(), opened(make(tmp_path / "b")).identity()
    assert first == copy != opened(make(tmp_path / "c", frame=frame)).identity()
    assert (
        table(tmp_path / "a" / ("t.csv" if make is _csv else "t.parquet"), "buys").as_source(None).identity() != first
    )


def test_a_packed_file_is_unpacked_once(tmp_path, monkeypatch):
    offsets = []
    real = gzip.GzipFile.seek
    source = opened(_csv(tmp_path, "t.csv.gz"))
    monkeypatch.setattr(gzip.GzipFile, "seek", lambda file, to: offsets.append(to) or real(file, to))
    for start in range(0, N, 50):
        source.read(start, min(start + 50, N))
    assert len(offsets) > 9 and offsets == sorted(offsets)  # each piece lies before none: nothing starts again


# --- Records

CELLS = st.text(alphabet='a,"\n\r 1é', max_size=6)


@pytest.mark.long
@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=12), st.sampled_from(["\n", "\r\n"]))
def test_records_are_those_of_the_csv_module(tmp_path_factory, rows, end):
    file = tmp_path_factory.mktemp("records") / "r.csv"
    text = io.StringIO()
    csv.writer(text, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(rows)
    for content in (text.getvalue(), text.getvalue().removesuffix(end), end + text.getvalue() + end):
        file.write_bytes(content.encode())
        for piece in (1, 3, 1000):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("tfxai.scale.sources.records.PIECE", piece)
                found = records(str(file), ",")
            assert found.rows[-1] == len(rows) and sum(found.separators) == len(rows)
            for k in range(len(found.rows) - 1):
                part = content.encode()[found.offsets[k] : found.offsets[k + 1]].decode()
                read = [row for row in csv.reader(io.StringIO(part, newline="")) if row]
                assert read == rows[found.rows[k] : found.rows[k + 1]]


# --- Dtypes that do not stay


def _late(value, column="a", first=1):
    """400 rows of one kind, and one of another near the end."""
    rows = [str(first)] * 400
    rows[371] = value
    return f"{column},b\n" + "".join(f"{row},{k}\n" for k, row in enumerate(rows))


LATE = {
    "a fraction": (_late("0.5"), "'0.5' is no int64", "float64"),
    "a gap": (_late(""), "a missing value is no int64", "float64"),
    "a word": (_late("x"), "'x' is no int64", "float64"),
    "a word among fractions": (_late("x", first=1.5), "'x' is no float64", "str"),
    "a gap among flags": (_late("", first=True), "a missing value is no bool", "float64"),
    "too large": (_late("9" * 20), "'9{20}' is no int64", "float64"),
}


@pytest.mark.parametrize("what", LATE)
def test_a_cell_that_does_not_fit_the_first_rows_is_named(what, tmp_path):
    text, message, wider = LATE[what]
    (tmp_path / "t.csv").write_text(text)
    source = opened(tmp_path / "t.csv")
    assert len(source.read(0, 100).x) == 100
    with pytest.raises(
        tfxai.errors.InputTypeError, match=rf"row 371, column 'a': {message}.*dtypes={{'a': '{wider}'}}"
    ):
        source.read(300, 400)


def test_dtypes_that_are_said(tmp_path):
    (tmp_path / "t.csv").write_text(_late("0.5"))
    x = table(tmp_path / "t.csv", dtypes={"a": "float64"}).as_source(None).read(0, 400).x
    assert x["a"].dtype == "float64" and x["a"][371] == 0.5 and x["a"][0] == 1 and x["b"].dtype == "int64"
    with pytest.raises(tfxai.errors.InputTypeError, match="row 371, column 'a': '0.5' is no int32"):
        table(tmp_path / "t.csv", dtypes={"a": "int32"}).as_source(None).read(0, 400)


def test_categories_are_those_of_the_first_rows_or_said(tmp_path):
    (tmp_path / "t.csv").write_text(_late("late", first="early"))
    with pytest.raises(tfxai.errors.InputTypeError, match="row 371, column 'a': 'late' is no category"):
        table(tmp_path / "t.csv", dtypes={"a": "category"}).as_source(None).read(0, 400)
    both = pandas.CategoricalDtype(["late", "early"])
    x = table(tmp_path / "t.csv", dtypes={"a": both}).as_source(None).read(360, 380).x
    assert x["a"].dtype == both and x["a"][11] == "late" and x["a"].cat.codes.tolist() == [1] * 11 + [0] + [1] * 8


def test_what_row_groups_do_not_share(tmp_path):
    late = pandas.DataFrame({"a": pandas.array([1] * 400, "Int64"), "b": [True] * 400})
    late.loc[371, "a"] = None
    with pytest.raises(
        tfxai.errors.InputTypeError, match="row 371, column 'a': a missing value is no int64.*'float64'"
    ):
        opened(_parquet(tmp_path, frame=late)).read(0, 400)
    x = table(_parquet(tmp_path, frame=late), dtypes={"a": "float64"}).as_source(None).read(0, 400).x
    assert np.isnan(x["a"][371]) and x["a"][0] == 1
    words = pandas.DataFrame({"a": pandas.Categorical(["x"] * 150 + ["y"] * 50)})
    x = opened(_parquet(tmp_path, frame=words)).read(140, 160).x
    assert x["a"].tolist() == ["x"] * 10 + ["y"] * 10


# --- Bad input


def _text(path, text, name="t.csv"):
    (path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return path / name


E = tfxai.errors
BAD = {
    "no file": (lambda p: table(p / "none.csv"), FileNotFoundError, "No table at"),
    "another kind": (lambda p: table(_text(p, "a", "a.xls")), E.FileFormatError, r"no table by its name \(\.csv"),
    "empty": (lambda p: _text(p, ""), E.FileFormatError, "holds no record"),
    "names alone": (lambda p: _text(p, "a,b\n"), E.InputError, "has no rows"),
    "numbers alone": (lambda p: _text(p, "1,2\n3,4\n"), E.FileFormatError, "numbers alone in its.*header=False"),
    "twice": (lambda p: _text(p, "a,a\n1,2\n"), E.FileFormatError, "several columns of one name: a"),
    "too long": (lambda p: _text(p, "a,b\n" + "1,2\n" * 500 + "1,2,3\n"), E.FileFormatError, "row 500: exp.* 3, "),
    "too short": (lambda p: table(_text(p, "a,b\n1,2\n" + "3\n" * 9), columns=["a"]), E.FileFormatError, "row 1: exp"),
    "quotes": (lambda p: _text(p, 'a,b\n5" pipe,1\n6" pipe,2\n'), E.FileFormatError, "2 rows. A line ends.*twice"),
    "lines of old": (lambda p: _text(p, "a,b\r1,2\r3,4\r"), E.FileFormatError, "other lines. A line ends with"),
    "open quote": (lambda p: _text(p, 'a,b\n1,"2\n'), E.FileFormatError, "never closed"),
    "encoding": (lambda p: _text(p, "a,b\n1,é\n".encode("cp1252")), E.FileFormatError, "no utf-8.*encoding='cp1252'"),
    "encoding of names": (lambda p: _text(p, "é,b\n1,2\n".encode("cp1252")), E.FileFormatError, "no utf-8.*'cp1252'"),
    "utf-16": (lambda p: _text(p, "a,b\n1,2\n".encode("utf-16")), E.FileFormatError, "UTF-16. Save it as UTF-8"),
    "no gzip": (lambda p: _text(p, "a,b\n", "t.csv.gz"), E.FileFormatError, "cannot be unpacked"),
    "cut gzip": (lambda p: _text(p, gzip.compress(b"a,b\n" + b"1,2\n" * 999)[:-9], "t.csv.gz"), E.FileFormatError,
                 "cannot be unpacked"),
    "no parquet": (lambda p: _text(p, "no", "t.parquet"), E.FileFormatError, "is no Parquet file"),
    "a column": (lambda p: table(_csv(p), columns=["agee"]), E.InputError, "no column 'agee'. Did you mean 'age'"),
    "a label": (lambda p: table(_csv(p), label="buy"), E.InputError, "no column 'buy'. Did you mean 'buys'"),
    "a separator": (lambda p: table(_csv(p), separator=";;"), E.OptionError, "separator is one character"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_bad_input(what, tmp_path):
    make, error, message = BAD[what]
    if "parquet" in what:
        pytest.importorskip("pyarrow")
    with pytest.raises(error, match=message):
        opened(make(tmp_path), None)


def test_what_does_not_fit_the_model(tmp_path):
    with pytest.raises(E.InputError, match=r"takes numbers, and city of '.*t\.csv' hold words.*columns="):
        table(_csv(tmp_path), columns=["age", "city"]).as_source([("x", (None, 2), "float32")])
    with pytest.raises(E.InputError, match="takes numbers, and city"):
        opened(_csv(tmp_path), [TWO[0], ("city", (None, 1), "float32")])
    assert opened(_csv(tmp_path), [TWO[0], ("city", (None, 1), "string")]).read(0, 2).x["city"][0] == "Bonn"
    with pytest.raises(E.InputError, match=r"has 5 columns \(age, .*model takes 30.*label=.*columns="):
        opened(_csv(tmp_path), [("x", (None, 30), "float32")])
    with pytest.raises(E.InputError, match=re.escape("The model takes shape (None, 8, 8, 1)")):
        opened(_csv(tmp_path), [("x", (None, 8, 8, 1), "float32")])
    with pytest.raises(E.InputError, match="takes age, height, a column each"):
        opened(_csv(tmp_path), [TWO[0], ("height", (None, 1), "float32")])


@pytest.mark.parametrize("make", [_csv, _parquet])
def test_a_file_that_changed_since_is_refused(make, tmp_path):
    source = pickle.loads(pickle.dumps(opened(make(tmp_path))))
    make(tmp_path, frame=FRAME[:-1])
    with pytest.raises(E.InputError, match="has changed since it was opened"):
        source.read(0, 3)


@pytest.mark.parametrize(("make", "name"), [(_csv, "data"), (_parquet, "parquet")])
def test_without_pandas_the_extra_is_named(make, name, tmp_path, without_extras):
    with pytest.raises(tfxai.errors.MissingExtraError, match=rf"'pandas': pip install \"tfxai\[{name}\]\""):
        opened(make(tmp_path))
