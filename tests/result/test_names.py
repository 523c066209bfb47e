"""Names of classes in every form, and what is no such form."""

import dataclasses

import numpy as np
import pytest

from tests.explanations import example
from tfxai.errors import InputError
from tfxai.plot.sections import top_three
from tfxai.result.describe import displayed, target_name, title
from tfxai.result.names import class_names

FORMS = {
    "a list": ["cat", "fox", "hen"],
    "a tuple": ("cat", "fox", "hen"),
    "an array": np.array(["cat", "fox", "hen"]),
    "keys": {"cat": "x", "fox": "y", "hen": "z"}.keys(),
    "class_indices": {"hen": 2, "cat": 0, "fox": np.int64(1)},
    "id2label": {2: "hen", 0: "cat", 1: "fox"},
    "id2label with text keys": {"0": "cat", "1": "fox", "2": "hen"},
    "a configuration": {"id2label": {"0": "cat", "1": "fox", "2": "hen"}, "layers": 3},
    "ImageNet's file": {"0": ["n01", "cat"], "1": ["n02", "fox"], "2": ["n03", "hen"]},
}


@pytest.mark.parametrize("form", FORMS)
def test_forms(form):
    assert class_names(FORMS[form], 3) == {0: "cat", 1: "fox", 2: "hen"}


def test_of_a_series():
    pandas = pytest.importorskip("pandas")
    assert class_names(pandas.Series(["cat", "fox"], index=[7, 8])) == {0: "cat", 1: "fox"}
    assert class_names(pandas.Series([1, 0], index=["fox", "cat"])) == {0: "cat", 1: "fox"}


@pytest.mark.parametrize("labels, classes, said", [
    ({"cat", "fox"}, None, "in the order of the classes"), ("cat", None, "in the order"), (7, None, "in the order"),
    ({"cat": "fox"}, None, r"\{class: name\} or \{name: class\}"),
    (["cat", "fox"], 3, "each of the 3 classes of the output. Received: 2 names"),
    (["cat", "fox"], 1000, "each of the 1000 classes"), ({0: "cat", 9: "fox"}, 3, "of classes 0 to 9"),
    (["a", "b", "c"], 1, "each of the 1 classes"),
])  # fmt: skip
def test_refused(labels, classes, said):
    with pytest.raises(InputError, match=said):
        class_names(labels, classes)


def test_some_classes_of_many_may_be_named():
    assert class_names({3: "cat"}, 1000) == {3: "cat"} and class_names(None, 3) is None


def test_one_number_is_the_second_of_two(rng):
    e = dataclasses.replace(example(rng), target=np.zeros(3, int), meta={"classes": 1})
    assert target_name(e, 0, ["cat", "dog"]) == "dog" and target_name(e, 0, ["dog"]) == "dog"
    assert target_name(e, 0, {"cat": 0, "dog": 1}) == "dog"
    assert top_three(np.array([0.9]), ["cat", "dog"]) == "dog: 0.9"
    assert top_three(np.array([0.125]), ["cat", "dog"]) == "cat: 0.875"
    assert top_three(np.array([6.7]), ["cat", "dog"]) == "dog: 6.7"
    assert top_three(np.array([0.2, 0.1, 0.7]), {1: "fox"}) == "class 2: 0.7, class 0: 0.2, fox: 0.1"


def test_other_pictures_than_the_network_saw(rng):
    e = example(rng)
    pictures = rng.random((3, 8, 9, 3))
    assert (displayed(e, pictures).inputs == pictures).all() and displayed(e, None) is e
    with pytest.raises(InputError, match="each of the 3 examples"):
        displayed(e, pictures[:2])
    several = example(rng, "dict")
    other = {"a": pictures, "b": [pictures, pictures]}
    assert displayed(several, other).inputs["b"][1] is not None
    with pytest.raises(InputError, match="per input"):
        displayed(several, pictures)


def test_titles_name_the_rule_that_was_taken(rng):
    """LRP without rule= goes by the model; a list of rows is too long to stand over a picture."""
    one = example(rng)
    made = {
        "gradient": ({}, {}),
        "lrp\nepsilon": ({"rule": "epsilon"}, {}),
        "lrp\nattnlrp": ({"rule": None}, {"rule": "attnlrp"}),
        "lrp\nown rules": ({"rule": [("first", "flat")]}, {}),
        "lrp": ({"rule": None}, {}),
    }
    for expected, (options, meta) in made.items():
        e = dataclasses.replace(one, method=expected.split("\n")[0], options=options, meta=meta)
        assert title(e) == expected
