"""`tfxai.evaluate`: one table, with what knows nothing of the model beside it."""

import dataclasses

import keras
import numpy as np
import pytest
from keras import layers

import tfxai
from tests.planted import KINDS
from tfxai.errors import InputError, MethodError, OptionError, TargetError, UnknownOptionError
from tfxai.explainer import progress
from tfxai.metrics import Case, deletion
from tfxai.metrics.clock import Clock
from tfxai.metrics.evaluated import Evaluation
from tfxai.metrics.table import METRICS

METHODS = ["deeplift", "gradient"]


@pytest.fixture
def planted(rng):
    return KINDS["images"](rng)


def test_the_table(planted):
    model, x, truth, masks = planted
    table = tfxai.evaluate(
        model, x, {"mine": truth, "deeplift": "deeplift", "upside down": -truth}, target=0, masks=masks
    )
    assert table.methods == ["mine", "deeplift", "upside down", "random", "edges"] and len(table) == 6
    assert table.metrics == [
        "deletion", "insertion", "correlation", "pointing_game", "relevance_mass", "sparseness", "rank_agreement",
    ]  # fmt: skip
    assert table.values["mine"]["deletion"].shape == (6,) and list(table.explanations) == ["deeplift"]
    for metric in table.metrics:
        assert np.isclose(table.mean("mine", metric), table.mean("deeplift", metric), atol=1e-4)
        if METRICS[metric].better:
            assert table.mark("upside down", metric) == "~" and table.mark("deeplift", metric) in "*"
        assert table.mark("random", metric) == table.mark("edges", metric) == ""
    case = Case.of(model, x, "deeplift", target=0)
    assert np.allclose(table.values["deeplift"]["deletion"], deletion(case), atol=1e-6)
    numbers = table.values["mine"]["deletion"]
    assert np.isclose(table.standard_error("mine", "deletion"), numbers.std(ddof=1) / np.sqrt(6))
    timed = {method for method, seconds in table.seconds.items() if 0 < seconds < 5}
    assert timed == {"deeplift", "random", "edges"}  # the others were made elsewhere
    assert [row[-1] for row in table.cells() if row[0] in ("mine", "upside down")] == ["-", "-"]
    text = repr(table).splitlines()
    assert text[0].split() == [*table.metrics, "s", "per", "example"]
    assert text[1].split() == ["lower", "higher", "higher", "higher", "higher"]
    assert [line.split()[0] for line in text[2:5]] == ["mine", "deeplift", "upside"] and set(text[5]) == {"-"}
    assert [cell[-1] for cell in text[4].split()[2:5]] == ["~"] * 3 and text[2].split()[4][-1] != "~"
    assert "means of 6 examples, score: logit, features 64, baseline zeros, seed 0" == text[-1]


def test_numbers_are_the_same_at_every_batch_size(planted):
    model, x, _, masks = planted
    one, two = (tfxai.evaluate(model, x, METHODS, target=0, masks=masks, batch_size=size) for size in (None, 2))
    for method in one.methods:
        for metric in one.metrics:
            assert np.allclose(one.values[method][metric], two.values[method][metric], atol=1e-5)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_input_with_all_defaults(kind, rng):
    model, x, *_ = KINDS[kind](rng)
    methods = None if kind == "tables" else METHODS
    table = tfxai.evaluate(model, x, methods)
    edges = ["edges"] if kind in ("images", "sequences", "two inputs") else []
    assert table.baselines == ("random", *edges) and table.methods[-len(table.baselines) :] == list(table.baselines)
    assert len(table.methods) == (5 if methods is None else 2) + len(table.baselines)
    assert table.mean("deeplift", "correlation") > 0.8 > abs(table.mean("random", "correlation"))


def test_methods_and_options(planted):
    model, x, truth, _ = planted
    methods = [tfxai.DeepLIFT(rule="reveal_cancel"), "deeplift", tfxai.SmoothGrad("deeplift", samples=2)]
    e = tfxai.explain(model, x, "occlusion", target=0)
    table = tfxai.evaluate(model, x, [*methods, e, truth], {"deletion": {"steps": 2}, "top_k_overlap": {"k": 3}}, 0)
    assert table.methods[:3] == ["deeplift rule=reveal_cancel", "deeplift", "smoothgrad inner=deeplift samples=2"]
    assert table.methods[3:] == ["occlusion", "the given values", "random", "edges"]
    assert list(table.curves) == ["deletion"] and table.curves["deletion"]["random"].shares.tolist() == [0, 0.5, 1]
    single = tfxai.evaluate(model, x, "deeplift", "deletion", 0)
    assert single.methods[0] == "deeplift" and single.metrics == ["deletion"]


def test_what_cannot_be_made_again_stays_empty(planted):
    model, x, truth, _ = planted
    table = tfxai.evaluate(
        model, x, {"m": "gradient", "given": truth}, ["max_sensitivity", "cascading_randomisation"], 0
    )
    assert table.values["given"] == {"max_sensitivity": None, "cascading_randomisation": None}
    assert np.isnan(table.mean("given", "max_sensitivity")) and table.mark("given", "max_sensitivity") == ""
    assert " - " in repr(table).splitlines()[3] and table.mean("edges", "cascading_randomisation") == 1
    assert len(table.to_dataframe(by_example=True)) == 2 * 3 * 6


def test_errors_come_before_anything_long(planted, monkeypatch):
    model, x, truth, masks = planted
    monkeypatch.setattr(Case, "made", lambda *a: pytest.fail("explained already"))
    table, text, single = KINDS["tables"], KINDS["tokens"], keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    rng = np.random.default_rng(0)
    for wrong, error, words in (
        (
            lambda: tfxai.evaluate(model, x, METHODS, ["delete"]),
            OptionError,
            "No metric 'delete'. Did you mean 'deletion'",
        ),
        (lambda: tfxai.evaluate(model, x, ["deep lift"]), MethodError, "Did you mean 'deeplift'"),
        (lambda: tfxai.evaluate(model, x, []), MethodError, "methods= has no method"),
        (lambda: tfxai.evaluate(model, x, METHODS, []), OptionError, "metrics= has no metric"),
        (lambda: tfxai.evaluate(model, x, METHODS, ["pointing_game"]), InputError, "pass masks="),
        (lambda: tfxai.evaluate(model, x, METHODS, masks=masks[:2]), InputError, r"Received: \(2, 8, 8\)"),
        (lambda: tfxai.evaluate(model, x, ["ig"], ["rank_agreement"]), MethodError, "pass two or more"),
        (lambda: tfxai.evaluate(model, x, ["ig", "ig"]), MethodError, "Two rows of the table would be called 'integr"),
        (lambda: tfxai.evaluate(model, x, ["random"]), MethodError, "'random' is in every table already"),
        (lambda: tfxai.evaluate(model, x, METHODS, {"deletion": {"step": 3}}), UnknownOptionError, "mean 'steps'"),
        (lambda: tfxai.evaluate(model, x, METHODS, {"sparseness": {"k": 3}}), UnknownOptionError, "It has none"),
        (lambda: tfxai.evaluate(model, x, {"a": truth[:3]}), InputError, r"a: expected shape \(6, 8, 8, 2\)"),
        (lambda: tfxai.evaluate(*table(rng)[:2], METHODS, ["road"]), InputError, "ROAD fills in"),
        (lambda: tfxai.evaluate(*text(rng)[:2], METHODS, ["road"]), InputError, "ROAD fills in"),
        (lambda: tfxai.evaluate(single, np.ones((2, 3)), METHODS, ["random_logit"]), TargetError, "1 classes"),
        (lambda: tfxai.evaluate(lambda z: model(z), x, METHODS, ["cascading_randomisation"], 0), ValueError, "itself"),
        (lambda: tfxai.evaluate(model, x, ["patternnet"]), OptionError, "patterns"),
        (lambda: tfxai.evaluate(model, x, METHODS, target=2), TargetError, "2"),
        (lambda: tfxai.evaluate(model, x, METHODS, rule="epsilon"), UnknownOptionError, "has its own in its object"),
        (lambda: tfxai.evaluate(model, x, METHODS, layer=1), InputError, "Metrics are of inputs"),
    ):
        with pytest.raises(error, match=words):
            wrong()


def test_a_data_frame(planted):
    pandas = pytest.importorskip("pandas")
    model, x, *_ = planted
    table = tfxai.evaluate(model, x, METHODS, ["deletion", "sparseness"], 0)
    frame = table.to_dataframe()
    assert list(frame.columns) == ["deletion", "sparseness", "s per example"] and list(frame.index) == table.methods
    assert frame.loc["deeplift", "deletion"] == table.mean("deeplift", "deletion")
    long = table.to_dataframe(by_example=True)
    assert list(long.columns) == ["method", "metric", "example", "value"] and len(long) == 4 * 2 * 6
    assert isinstance(long, pandas.DataFrame)
    chosen = long[(long.method == "random") & (long.metric == "sparseness")]
    assert chosen.value.tolist() == table.values["random"]["sparseness"].tolist()


def test_pictures_and_pages(planted, tmp_path):
    model, x, truth, _ = planted
    table = tfxai.evaluate(model, x, [*METHODS, truth], ["deletion", "sparseness", "cascading_randomisation"], 0)
    figure = table.plot()
    titles = [ax.get_title() for ax in figure.axes if ax.axison]
    assert titles == ["deletion", "sparseness", "cascading randomisation"]
    labels = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert labels == ["deeplift", "gradient", "the given values", "random", "edges"]
    drawn = [line.get_xdata()[0] for line in figure.axes[0].lines if len(line.get_xdata()) == 1]
    assert np.isclose(drawn, table.mean("deeplift", "deletion")).any()
    dashed = [line.get_xdata()[0] for ax in figure.axes for line in ax.lines if line.get_linestyle() == "--"]
    expected = [table.mean(*cell) for cell in (("random", "deletion"), ("random", "sparseness"))] + [1.0]
    assert np.allclose(dashed, expected)
    ax = table.plot("deletion")
    assert np.allclose(ax.lines[0].get_ydata(), table.curves["deletion"]["deeplift"].scores.mean(0))
    assert [t.get_text() for t in ax.get_legend().get_texts()] == labels and ax.lines[0].get_xdata()[-1] == 100
    assert table.plot("cascading_randomisation").get_xlabel() == "% of the layers initialised again"
    with pytest.raises(
        OptionError, match="No curve 'sparseness' was measured. Known: cascading_randomisation, deletion"
    ):
        table.plot("sparseness")
    page = table.to_html(tmp_path / "page.html").read_text()
    assert page.count("<img") >= 3 + 2 * 6 and "deletion (lower)" in page and "<script" not in page
    assert "the given values" in page and f"{table.mean('gradient', 'deletion'):.3g}" in page
    only = tfxai.report([], tmp_path / "only.html", evaluation=tfxai.evaluate(model, x, [truth], ["entropy"], 0))
    assert "entropy" in only.read_text() and "<table" in table._repr_html_()


def test_one_example_has_no_standard_error():
    rows = {"deletion": METRICS["deletion"]}
    values = {"a": {"deletion": np.array([1.0])}, "random": {"deletion": np.array([2.0])}}
    table = Evaluation(values, rows, ("random",), dict.fromkeys(values, 0.0))
    assert np.isnan(table.standard_error("a", "deletion")) and table.mark("a", "deletion") == "*"
    worse = dataclasses.replace(table, values={**values, "a": {"deletion": np.array([2.0])}})
    assert worse.mark("a", "deletion") == "~"
    noisy = {"a": {"deletion": np.array([0.0, 3.0, 0.0])}, "random": {"deletion": np.array([2.0, 2.0, 2.0])}}
    assert (
        dataclasses.replace(table, values=noisy).mark("a", "deletion") == "~"
    )  # better, but by no two standard errors


def test_progress_says_what_runs_and_the_time_left(planted, capsys, monkeypatch):
    model, x, *_ = planted
    tfxai.evaluate(model, x, ["gradient"], ["deletion"], 0)
    assert capsys.readouterr().out == ""
    tfxai.evaluate(model, x, ["gradient"], ["deletion"], 0, verbose=1)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "gradient: explained (1 of 6)" and lines[-1].startswith("6 of 6, ")
    assert lines[3].startswith("gradient: deletion (4 of 6, about ") and lines[3].endswith(" left)")
    seconds = iter([0, 1, 5, 5, 11])
    monkeypatch.setattr("tfxai.metrics.clock.time.monotonic", lambda: next(seconds))
    clock = Clock(["a", "b", "a", "b"], 0)
    assert clock.remaining() is None
    with clock.task("a", "one"):  # 4 seconds
        pass
    assert clock.remaining() == 12  # of b nothing is known yet
    with clock.task("b", "one"):  # 6 seconds
        pass
    assert clock.remaining() == 4 + 6
    assert progress.is_watched() is False
