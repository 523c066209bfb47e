"""Arrays and columns at the inputs that they are for, and each in its range."""

import numpy as np
import pytest

from tfxai.cli.readers import Wanted, placed, read_inputs
from tfxai.cli.shared import preprocessed
from tfxai.errors import InputError, OptionError

USER, ITEM = Wanted("user", (None, 2), "float32"), Wanted("item", (None, 2), "float32")
A, B = np.full((1, 2), 5.0), np.ones((1, 2))


def saved(tmp_path, wanted, in_order=True, *arrays, **named):
    np.savez(tmp_path / "a.npz", *arrays, **named)
    return placed(read_inputs([str(tmp_path / "a.npz")], None), wanted, in_order)


def test_arrays_by_name_or_by_order(tmp_path):
    taken = saved(tmp_path, [USER, ITEM], True, A, B)
    assert taken.x["user"].tolist() == A.tolist() and taken.x["item"].tolist() == B.tolist()
    assert taken.notes == ("arrays without names, in the model's order: arr_0 is user, arr_1 is item",)
    taken = saved(tmp_path, [USER, ITEM], item=B, user=A)
    assert taken.x["user"].tolist() == A.tolist() and not taken.notes
    taken = saved(tmp_path, [USER, ITEM], item=B, user=A, labels=B)
    assert list(taken.x) == ["user", "item"] and taken.notes == ("left out: labels",)
    many = [Wanted(f"i{k}", (None, 1), "float32") for k in range(12)]
    taken = saved(tmp_path, many, True, *(np.full((1, 1), k) for k in range(12)))
    assert [int(a) for a in np.ravel(list(taken.x.values()))] == list(range(12))  # arr_10 comes after arr_9


def test_one_input_among_several_arrays(tmp_path):
    assert saved(tmp_path, [USER], user=A, y=B).x.tolist() == A.tolist()
    taken = saved(tmp_path, [USER], x=A, y=B)
    assert taken.x.tolist() == A.tolist() and taken.notes == ("x taken; left out: y",)
    assert saved(tmp_path, [USER], anything=A).x.tolist() == A.tolist()


def test_arrays_that_do_not_fit(tmp_path):
    for wanted, in_order, arrays, named in (
        ([USER, ITEM], True, (), {"users": A, "items": B}),
        ([USER, ITEM], True, (A, B, B), {}),
        ([USER, ITEM], False, (A, B), {}),  # a SavedModel has names only
        ([USER], True, (), {"a": A, "b": B}),
    ):
        with pytest.raises(InputError, match=r"The model takes user.*; the file holds .*numpy.savez\(path, name=") as e:
            saved(tmp_path, wanted, in_order, *arrays, **named)
        assert ("without names" in str(e.value)) == in_order
    with pytest.raises(InputError, match=r"2 inputs \(user, item\). Received: one array"):
        saved(tmp_path, [USER, ITEM], True, A)


def test_a_model_that_says_nothing(tmp_path):
    assert [a.tolist() for a in saved(tmp_path, None, False, A, B).x] == [A.tolist(), B.tolist()]
    assert list(saved(tmp_path, None, False, p=A, q=B).x) == ["p", "q"]


def test_a_column_for_each_input(tmp_path):
    (tmp_path / "t.csv").write_text("dose,who,other\n0.5,16777217,1\n1.5,3,1\n")
    wanted = [Wanted("who", (None,), "int64"), Wanted("dose", (None, 1), "float32")]
    taken = placed(read_inputs([str(tmp_path / "t.csv")], None, "any"), wanted)
    assert taken.x["who"].tolist() == [16777217, 3] and taken.x["dose"].tolist() == [[0.5], [1.5]]
    assert taken.x["dose"].dtype == np.float32 and taken.notes[-1] == "one column for each input, by name"


PHOTO = np.full((1, 4, 4, 3), 255, np.uint8)
FACTS = np.array([[40.0, 2000.0]], np.float32)


@pytest.mark.parametrize(
    "how, photo, facts",
    [
        ([], 255, 2000),
        (["none"], 255, 2000),
        (["unit"], 1, 2000),
        (["symmetric"], 1, 2000),
        (["photo=unit"], 1, 2000),
        (["facts=unit"], 255, 2000 / 255),
        (["unit", "facts=symmetric"], 1, 2000 / 127.5 - 1),
        (["unit", "photo=none"], 255, 2000),
        (["photo=keras.applications.mobilenet_v2"], 1, 2000),
    ],
)
def test_preprocess(how, photo, facts):
    x, notes = preprocessed({"photo": PHOTO, "facts": FACTS}, how, ["photo", "facts"])
    assert np.allclose(x["photo"], photo) and np.isclose(x["facts"][0, 1], facts)
    assert bool(notes) == (photo != 255 or facts != 2000)
    x, _ = preprocessed([PHOTO, FACTS], [h.replace("photo", "0").replace("facts", "1") for h in how])
    assert np.allclose(x[0], photo) and np.isclose(x[1][0, 1], facts)


def test_preprocess_of_one_input():
    assert np.allclose(preprocessed(FACTS, ["unit"], ["facts"])[0], FACTS / 255)
    assert np.allclose(preprocessed(FACTS, ["facts=unit"], ["facts"])[0], FACTS / 255)
    assert preprocessed(FACTS, [])[0] is FACTS
    words = np.array([[1, 2, 3]], np.int32)
    assert preprocessed({"photo": PHOTO, "words": words}, ["unit"])[0]["words"].dtype == np.int32


def test_preprocess_that_cannot_be():
    with pytest.raises(OptionError, match="no input is called 'foto'. Did you mean 'photo'"):
        preprocessed({"photo": PHOTO, "facts": FACTS}, ["foto=unit"])
    with pytest.raises(OptionError, match="none of the inputs a, b looks like pictures. Say which it is for"):
        preprocessed({"a": FACTS, "b": FACTS}, ["unit"])
    with pytest.raises(OptionError, match="INPUT=HOW"):
        preprocessed(FACTS, ["os"])
