"""A bar where somebody watches, lines in a file, nothing unless asked for."""

import io
import sys

import pytest

from tfxai.explainer import progress
from tfxai.explainer.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    monkeypatch.delenv("PYCHARM_HOSTED", raising=False)
    return now


def written(monkeypatch, out, clock, verbose, n=200):
    monkeypatch.setattr(sys, "stdout", out)
    bar = Progress(n, verbose)
    for _ in range(10):
        clock[0] += 2
        bar.within(0.5, n // 10)
        bar.step(n // 10)
    bar.step(n // 10)  # explained once more
    return out.getvalue()


def test_a_file_gets_plain_lines_when_asked(monkeypatch, clock):
    text = written(monkeypatch, io.StringIO(), clock, 1)
    assert text.splitlines() == [
        "25% of 200 examples explained, 6 s", "55% of 200 examples explained, 12 s",
        "85% of 200 examples explained, 18 s", "100% of 200 examples explained, 20 s",
    ]  # fmt: skip
    assert written(monkeypatch, io.StringIO(), clock, "auto") == written(monkeypatch, io.StringIO(), clock, 0) == ""


def test_a_terminal_gets_a_bar_of_examples_or_percent(monkeypatch, clock):
    text = written(monkeypatch, Terminal(), clock, "auto")
    assert "200/200" in text and "/example" in text and "part" not in text
    assert "10/200" not in text  # not in the first three seconds
    text = written(monkeypatch, Terminal(), clock, 1, n=20)
    assert "100/100" in text and "/percent" in text
    assert written(monkeypatch, Terminal(), clock, 0) == ""
