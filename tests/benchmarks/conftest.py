"""Every benchmark notes its ratios; together they are one table at the end."""

import pytest

NOTED = pytest.StashKey[list]()


def pytest_configure(config):
    config.stash[NOTED] = []


@pytest.fixture
def at_most(request):
    """`at_most(limit, work, ratio)`: notes a ratio, and fails where it is above the limit (None: it is only noted)."""
    over = []

    def note(limit, work, ratio):
        request.config.stash[NOTED].append((work, ratio, limit))
        print(f"{work}: {ratio:.2f}" + ("" if limit is None else f" (at most {limit})"), flush=True)
        if limit is not None and ratio > limit:
            over.append(f"{work}: {ratio:.2f} is above {limit}")

    yield note
    assert not over, "; ".join(over)


def pytest_terminal_summary(terminalreporter, config):
    if config.stash[NOTED]:
        lines = [
            f"| {work} | {ratio:.2f} | {'' if limit is None else limit} |" for work, ratio, limit in config.stash[NOTED]
        ]
        terminalreporter.write_line("\n".join(["", "| work | ratio | at most |", "|---|---|---|", *lines]))
