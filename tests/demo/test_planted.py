"""Networks whose truth is known: they learned it, and say what they were asked in words that they do not know."""

import numpy as np
import pytest

from tfxai import demo
from tfxai.demo import flats, sentences, sequences
from tfxai.errors import InputError


def test_sentences_are_judged_as_they_were_made():
    shown = demo.text()
    ids, liking = sentences.made(200, np.random.default_rng(7))
    logits = np.log(p := np.asarray(shown.model(ids))[:, 0].astype(float)) - np.log1p(-p)
    np.testing.assert_allclose(logits, liking, atol=0.05)
    assert sentences.liking("the film was not bad and really good".split()) == 2
    assert shown.truth[2].tolist() == [0] * 8 + [-1, 1] + [0] * 4  # "... it was not good"
    assert all(len(words) == 14 for words in shown.tokens)


def test_sequences_hold_what_is_said_of_them():
    shown = demo.dna()
    for letters, truth, name in zip(shown.tokens, shown.truth, shown.names, strict=True):
        for motif, _, start in (part.split() for part in name.split(" and ")):
            assert "".join(letters)[int(start) :].startswith(motif)
            assert set(truth[int(start) : int(start) + len(motif)]) == {1 if motif == sequences.BINDS else -1}
    x, bound = sequences.made(400, np.random.default_rng(7))
    assert np.mean((np.asarray(shown.model(x))[:, 0] > 0.5) == bound) > 0.97 and bound.mean() < 0.3
    assert (x.sum(-1) == 1).all()


def test_rents_are_those_of_the_formula():
    flat = dict(zip(flats.FEATURES, [70, 5, 1, 6, 1, 40, 1, 1], strict=True))
    assert flats.rent(demo.table().preprocess(flat)).tolist() == [200 + 770 - 175 + 60 - 80 + 60]
    x = flats.made(200, np.random.default_rng(7))
    assert np.abs(np.asarray(demo.table().model(x))[:, 0] - flats.rent(x)).mean() < 3
    noise = [flats.FEATURES.index(name) for name in flats.NOISE]
    assert (demo.table().truth[:, noise] == 0).all() and demo.table().truth.sum() == 4 * 6


@pytest.mark.parametrize(
    "read, given, text",
    [
        (sentences.preprocess, "the film was splendid", r"Received: the words \['splendid'\]"),
        (sentences.preprocess, ["the " * 15], r"up to 14 words of .* sentences of \[15\] words"),
        (sequences.preprocess, "ACGT", r"60 of the letters ACGT. Received: sequences of \[4\]"),
        (sequences.preprocess, "N" * 60, "letters 'N'"),
        (flats.preprocess, {"area": 3}, "A flat has the columns area, kilometres to the centre, .* Received: area"),
        (flats.preprocess, np.ones((2, 3)), r"shape \(n, 8\): .* Received: \(2, 3\)"),
    ],
)
def test_what_they_cannot_read(read, given, text):
    with pytest.raises(InputError, match=text):
        read(given)
