from types import SimpleNamespace

import pytest

from tests.products import beyond_each_value


class Case:
    def __init__(self, test, file="file", **params):
        self.originalname, self.parent = test, SimpleNamespace(nodeid=file)
        if params:
            self.callspec = SimpleNamespace(params=params)


def values(cases):
    return {(name, id(value)) for case in cases for name, value in case.callspec.params.items()}


@pytest.mark.parametrize("methods, kinds", [(3, 5), (5, 3), (1, 4), (4, 4)])
def test_of_a_product_every_value_is_met_and_as_few_cases_as_can_be_are_left(methods, kinds):
    """Options are dicts, which have no hash, and equal ones of two methods are two values."""
    plans, kinds = [(f"m{m}", {}) for m in range(methods)], [f"k{k}" for k in range(kinds)]
    cases = [Case("test", kind=kind, method=name, options=options) for kind in kinds for name, options in plans]
    beyond = beyond_each_value(cases)
    left = [case for case in cases if case not in beyond]
    assert values(left) == values(cases)
    assert len(left) == max(methods, len(kinds)) == len(cases) - len(beyond)


def test_what_is_no_product_stays():
    alone = [Case("plain"), Case("plain", "other")]
    one = [Case("one", value=str(i)) for i in range(3)]
    namesakes = [Case("two", file, a="a", b="b") for file in ("file", "other")]
    assert beyond_each_value(alone + one + namesakes) == []
