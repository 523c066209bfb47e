"""Tables as people have them, read with pandas and without."""

import sys

import numpy as np
import pytest

from tfxai.cli.readers import read_inputs
from tfxai.errors import FileFormatError, InputError


@pytest.fixture(params=["pandas", "csv"])
def table(request, tmp_path, monkeypatch):
    """Reads a text as a model of three columns would have it."""
    if request.param == "pandas":
        pytest.importorskip("pandas")
    else:
        monkeypatch.setitem(sys.modules, "pandas", None)  # importing it is an ImportError

    def read(text, shape=(None, 3), dtype="float32", header="auto", encoding="utf-8", allow_nan=False):
        path = tmp_path / "t.csv"
        path.write_bytes(text.encode(encoding))
        return read_inputs([str(path)], shape, dtype, header, allow_nan)

    return read


TWO = [[4, 5, 6], [7, 8, 9]]


@pytest.mark.parametrize(
    "text, columns, rows",
    [
        ("a,b,c\n4,5,6\n7,8,9\n", ["a", "b", "c"], None),
        ("4,5,6\n7,8,9\n", None, None),
        (",a,b,c\n0,4,5,6\n1,7,8,9\n", ["a", "b", "c"], ["0", "1"]),
        ("Unnamed: 0,a,b,c\n0,4,5,6\n1,7,8,9\n", ["a", "b", "c"], ["0", "1"]),
        (",0,1,2\n0,4,5,6\n1,7,8,9\n", ["0", "1", "2"], ["0", "1"]),
        ("id,a,b,c\n17,4,5,6\n12,7,8,9\n", ["a", "b", "c"], ["17", "12"]),
        ('"a","b","c"\n"r1",4,5,6\n"r2",7,8,9\n', ["a", "b", "c"], ["r1", "r2"]),  # R has no name over those of rows
        ('"a","b","c"\n"1",4,5,6\n"2",7,8,9\n', ["a", "b", "c"], ["1", "2"]),
        ("id,a,b,c\n007,4,5,6\n7,7,8,9\n", ["a", "b", "c"], ["007", "7"]),
        ("x,4,5,6\ny,7,8,9\n", None, ["x", "y"]),
        ("day,a,b,c\n2020-01-01 10:00,4,5,6\n2020-01-02 10:00,7,8,9\n", ["a", "b", "c"],
         ["2020-01-01 10:00", "2020-01-02 10:00"]),
        ("a,,c\n4,5,6\n7,8,9\n", ["a", "column 2", "c"], None),
        ("a,NA,c\n4,5,6\n7,8,9\n", ["a", "NA", "c"], None),
        ("\n a , b , c \n\n 4 , 5 , 6 \n   \n7,8,9\n\n", ["a", "b", "c"], None),
        ('"a","b","c"\n"4","5","6"\n"7","8","9"\n', ["a", "b", "c"], None),
        ("a,b,c\r\n4,5,6\r\n7,8,9\r\n", ["a", "b", "c"], None),
        ("4.0e+00 5.0e+00 6.0e+00\n7 8 9\n", None, None),
        ("a\tb\tc\n4\t5\t6\n7\t8\t9\n", ["a", "b", "c"], None),
        ("a|b|c\n4|5|6\n7|8|9\n", ["a", "b", "c"], None),
    ],
)  # fmt: skip
def test_header_index_and_separators(table, text, columns, rows):
    taken = table(text)
    assert taken.x.tolist() == TWO and taken.x.dtype == np.float32
    assert taken.columns == columns and taken.examples == rows


def test_decimal_commas(table):
    assert table("a;b;c\n1,5;2,5;-3\n").x.tolist() == [[1.5, 2.5, -3]]
    assert table("1,5;2,5;3e1\n1,5;2,25;4\n").x.tolist() == [[1.5, 2.5, 30], [1.5, 2.25, 4]]
    assert table("a\n1,5\n2,25\n", (None, 1)).x.tolist() == [[1.5], [2.25]]
    assert table("a;b;c\n" + "1;2;3\n" * 100 + "1,5;2;3\n").x[-1].tolist() == [1.5, 2, 3]
    taken = table("a;b;c\n4;5;6,0\n")
    assert taken.notes == ("t.csv: 1 row of 3 columns; header (a, b, c); separated by semicolons; decimal commas",)
    for cell in ("1.5", "1.234,5"):  # thousands, or another point: not to be guessed
        with pytest.raises(FileFormatError, match=f"line 2, column 3: '{cell}' is not a number"):
            table(f"a;b;c\n1,5;2;{cell}\n")


def test_numbers_in_the_first_line_are_a_row_and_that_is_said(table):
    text = "400,410,420\n4,5,6\n7,8,9\n"
    taken = table(text)
    assert taken.x.tolist() == [[400, 410, 420], *TWO] and taken.columns is None
    assert "no header: its first line is numbers, read as a row (--header yes: names)" in taken.notes[0]
    taken = table(text, header="yes")
    assert taken.x.tolist() == TWO and taken.columns == ["400", "410", "420"]
    with pytest.raises(FileFormatError, match="line 1, column 1: 'a' is not a number"):
        table("a,b,c\n4,5,6\n", header="no")


@pytest.mark.parametrize("cell", ["", "NA", "nan", "?"])
def test_missing_cells_that_are_allowed_are_nan(table, cell):
    taken = table(f"a;b\n1,5;{cell}\n{cell};4\n", allow_nan=True, shape=(None, 2))
    np.testing.assert_array_equal(taken.x, [[1.5, np.nan], [np.nan, 4]])
    assert "2 missing cells" in taken.notes[0]
    with pytest.raises(FileFormatError, match="'x' is not a number"):
        table("a;b\n1,5;2,5\n3;4\n1,5;x\n", allow_nan=True, shape=(None, 2))


@pytest.mark.parametrize("cell", ["", "NA", "nan", "?", "-", "NULL", "#N/A", "n/a", "#NV", "#N/D"])
def test_a_missing_cell_is_an_error_that_names_it(table, cell):
    with pytest.raises(FileFormatError, match=r"line 1, column 2: the cell is missing \('"):
        table(f"1.0,{cell},3.0\n4,5,6\n")
    with pytest.raises(FileFormatError, match=r"line 102, column 2: the cell is missing \('.*'\) \(b\)"):
        table("a,b,c\n" + "1,2,3\n" * 100 + f"1,{cell},3\n")


@pytest.mark.parametrize("cell", ["1_0", "1 000", "1%", "\u22121", "0x10"])
def test_what_is_no_number(table, cell):
    with pytest.raises(FileFormatError, match=f"line 3, column 1: '{cell}' is not a number"):
        table(f"a,b,c\n1,2,3\n{cell},2,3\n")


def test_a_first_line_that_is_half_numbers_asks(table):
    with pytest.raises(FileFormatError, match="Received: both, such as 'setosa' and '5.1'. Say --header yes"):
        table("5.1,3.5,setosa\n4,5,6\n")
    assert table("dose,2019,2020\n4,5,6\n", header="yes").columns == ["dose", "2019", "2020"]


def test_rows_of_another_length(table):
    for row in ("4,5", "4,5,6,7"):
        with pytest.raises(FileFormatError, match=f"line 3: expected 3 cells. Received: {row.count(',') + 1}"):
            table(f"a,b,c\n1,2,3\n{row}\n")
    with pytest.raises(FileFormatError, match="line 3, column 1: the cell is missing"):
        table("a\tb\tc\n1\t2\t3\n\t\t\n")
    with pytest.raises(InputError, match=r"has 4 columns \(a, b, c, d\), and the model takes 3"):
        table("a,b,c,d\n1,2,3,4\n")


def test_whole_numbers_are_exact_where_the_model_takes_them(table):
    ids = [[123456789, 16777217], [9007199254740993, 36028797018963971]]
    text = "user,item\n" + "".join(f"{a},{b}\n" for a, b in ids)
    taken = table(text, (None, 2), "int64")
    assert taken.x.dtype == np.int64 and taken.x.tolist() == ids
    assert table("user,item\n5.0,7\n", (None, 2), "int32").x.tolist() == [[5, 7]]
    assert "2**24" not in taken.notes[0]
    taken = table(text, (None, 2), "float32")
    assert taken.notes[0].endswith("user has whole numbers above 2**24, which float32 rounds")
    assert table("a,b\n0.1,2\n", (None, 2), "float64").x.tolist() == [[0.1, 2.0]]
    with pytest.raises(FileFormatError, match="64 bits cannot hold"):
        table("user,item\n18446744073709551616,7\n", (None, 2), "int64")


def test_flags_and_encodings(table):
    assert table("a,b,c\nTrue,2,3\nFALSE,1,0\n").x.tolist() == [[1, 2, 3], [0, 1, 0]]
    for encoding, said in (("utf-8-sig", ""), ("utf-16", "; read as utf-16"), ("cp1252", "; read as cp1252")):
        taken = table("gr\xf6\xdfe,b,c\n4,5,6\n7,8,9\n", encoding=encoding)
        assert taken.columns == ["gr\xf6\xdfe", "b", "c"] and taken.x.tolist() == TWO
        assert taken.notes == (f"t.csv: 2 rows of 3 columns; header (gr\xf6\xdfe, b, c){said}",)


def test_where_the_model_says_nothing(table):
    assert table(",a,b\n0,4,5\n1,7,8\n", None, None).x.tolist() == [[4, 5], [7, 8]]
    assert table("id,a,b\n3,4,5\n1,7,8\n", None, None).x.tolist() == [[3, 4, 5], [1, 7, 8]]
    with pytest.raises(FileFormatError, match="line 1, column 1: the cell is missing"):
        table(",4,5\n1,7,8\n4,7,8\n", None, None)


@pytest.mark.parametrize("data", [b"", b"a,b,c\n", b"\n\n"])
def test_no_row(tmp_path, data):
    (tmp_path / "t.csv").write_bytes(data)
    with pytest.raises(FileFormatError, match="has no row of numbers"):
        read_inputs([str(tmp_path / "t.csv")], None)


def test_no_text(tmp_path):
    (tmp_path / "t.csv").write_bytes(bytes(range(256)))
    with pytest.raises(FileFormatError, match="is no text"):
        read_inputs([str(tmp_path / "t.csv")], None)


@pytest.mark.parametrize("name", ["Nr", "Nr.", "lfd. Nr.", "No", "#", "ID"])
def test_a_column_of_row_numbers_by_its_name(table, name):
    """As spreadsheets of Windows export it: semicolons, decimal commas, umlauts in one byte."""
    taken = table(f"{name};Fl\u00e4che;b;c\r\n1;4,5;5;6\r\n2;7;8;9\r\n", encoding="cp1252")
    assert taken.x.tolist() == [[4.5, 5, 6], [7, 8, 9]]
    assert taken.columns == ["Fl\u00e4che", "b", "c"] and taken.examples == ["1", "2"]
    assert "read as cp1252" in taken.notes[0] and "first column taken as the names of the rows" in taken.notes[0]
    with pytest.raises(InputError, match="has 4 columns"):
        table("day;a;b;label\n1;4,5;5;0\n2;7;8;1\n")  # which one is too many is not known


@pytest.mark.parametrize("cell", ["1.234,50", "1.234.567,5", "12 345,6", "1'234,5"])
def test_marks_between_thousands_are_said(table, cell):
    with pytest.raises(
        FileFormatError, match=r"line 4, column 2: .* is not a number \(b\). Export .*without marks between"
    ):
        table(f"a;b;c\n1,5;2,5;3\n1;2;3,5\n4;{cell};6\n")
