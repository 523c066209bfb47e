"""Class names in every form that people have them in, and what a target means by them."""

import pytest

from tfxai.cli.labels import fitting, read_labels, target
from tfxai.errors import FileFormatError, OptionError


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize(
    "text",
    [
        "cat\nfox \n\nhen\n",
        "cat, fox,hen\n",
        "0 cat\n1 fox\n2 hen\n",
        "0: cat\n1: fox\n2: hen",
        '["cat", "fox", "hen"]',
        '{"hen": 2, "fox": 1, "cat": 0}',
        '{"0": "cat", "2": "hen", "1": "fox"}',
        '{"model_type": "x", "id2label": {"0": "cat", "1": "fox", "2": "hen"}}',
        '{"label2id": {"cat": 0, "fox": 1, "hen": 2}}',
        '{"0": ["n1", "cat"], "1": ["n2", "fox"], "2": ["n3", "hen"]}',
    ],
)
def test_forms(tmp_path, text, encoding):
    path = tmp_path / "labels"
    path.write_bytes(text.encode(encoding))
    assert read_labels(str(path)) == ["cat", "fox", "hen"]


def test_names_that_are_numbers(tmp_path):
    path = tmp_path / "labels"
    path.write_text('{"0": 0, "1": 1, "10": 2, "2": 3}')  # class_indices of folders called by digits
    assert read_labels(str(path)) == ["0", "1", "10", "2"]
    path.write_text("3 doors\n5 doors\n")  # no indices: they do not count from 0
    assert read_labels(str(path)) == ["3 doors", "5 doors"]
    path.write_text('["cat", 3]')
    assert read_labels(str(path)) == ["cat", "3"]


@pytest.mark.parametrize("text", ["[1,", '{"cat": 0, "fox": 2}', '{"cat": "fox"}', "{}", '{"0": "cat", "2": "hen"}'])
def test_no_labels(tmp_path, text):
    (tmp_path / "labels").write_text(text)
    with pytest.raises(FileFormatError, match="holds no labels"):
        read_labels(str(tmp_path / "labels"))


def test_as_many_as_outputs():
    assert fitting("l.txt", ["cat", "fox"], 2) == ["cat", "fox"] == fitting("l.txt", ["cat", "fox"], None)
    assert fitting("l.txt", ["cat", "dog"], 1) == ["cat", "dog"]  # one output is the score of the second of two
    with pytest.raises(OptionError, match=r"'l.txt' has 2 labels \(cat, fox\), and the model has 3 outputs"):
        fitting("l.txt", ["cat", "fox"], 3)
    with pytest.raises(OptionError, match="has 0 labels"):
        fitting("l.txt", [], 3)


def test_targets():
    labels = ["tench, Tinca tinca", "crane", "fox", "crane", "2", "5"]
    assert target(None, labels) is None
    assert target("fox", labels) == 2 and target("3", labels) == 3 and target("-1", labels) == -1
    assert target("tench, Tinca tinca", labels) == 0 and target("fox,0, 3", labels) == [2, 0, 3]
    assert target("2", None) == 2 and target("index:2", labels) == 2 and target("label:2", labels) == 4
    assert target("5", labels) == 5  # the label of class 5: both say the same
    with pytest.raises(OptionError, match="of class 4 and class 2. Say which: --target index:NUMBER or label:2"):
        target("2", labels)
    with pytest.raises(OptionError, match="'crane' is the label of class 1 and the label of class 3"):
        target("crane", labels)
    with pytest.raises(OptionError, match="a class index or a label.*Did you mean 'crane'"):
        target("crain", labels)
