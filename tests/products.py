"""Which cases of a product of parameters `pytest` runs by itself."""

from collections import defaultdict


def beyond_each_value(items) -> list:
    """Of tests with several parameters the cases that bring no value which another case has not brought.

    A test of every method on every kind of model is a product; each method once and each kind once finds most of what
    is broken while one works, all pairs are for CI. Cases are taken in their order, those of two new values first.
    """
    products = defaultdict(list)
    for item in items:
        if len(_values(item)) > 1:
            products[item.parent.nodeid, item.originalname].append(item)
    return [item for cases in products.values() for item in _beyond(cases)]


def _values(item) -> set:
    """A row of `parametrize` hands the same object to each case; what is equal need not have a hash."""
    return {(name, id(value)) for name, value in item.callspec.params.items()} if hasattr(item, "callspec") else set()


def _beyond(cases: list) -> list:
    left, seen = dict.fromkeys(cases), set()
    for wanted in range(max(len(_values(case)) for case in cases), 0, -1):
        for case in list(left):
            if len(_values(case) - seen) >= wanted:
                seen |= _values(case)
                del left[case]
    return list(left)
