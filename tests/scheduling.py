"""Which tests one worker runs in a row, so that what they share is made once."""

import re

from xdist.scheduler import LoadFileScheduling

CONTRACT = re.compile(r"tests/test_contract\.py::.*?([a-z_]+)\]$")


class ByFileOrModel(LoadFileScheduling):
    """A file at a time, and of the contract all methods on one model.

    By name and not by xdist's mark of a group: from pytest 9.2 on that mark is passed over without a word.
    """

    def _split_scope(self, nodeid: str) -> str:
        of_model = CONTRACT.match(nodeid)
        return of_model[1] if of_model else super()._split_scope(nodeid)
