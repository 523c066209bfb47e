"""Sentences on films, made up so that it is known which words matter, and a small network that read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfxai.demo.networks import Demo, stored
from tfxai.errors import InputError

LENGTH = 14  # words of a sentence; shorter ones end with padding
GOOD = ("good", "great", "wonderful", "moving", "funny", "clever")
BAD = ("bad", "awful", "boring", "stupid", "dull", "flat")
THINGS = ("film", "music", "plot", "cast", "ending", "dialogue")
OTHERS = (
    "the",
    "was",
    "were",
    "a",
    "and",
    "but",
    "of",
    "we",
    "saw",
    "it",
    "on",
    "sunday",
    "in",
    "town",
    "really",
    "quite",
)
NOT = "not"
VOCABULARY = ("", *GOOD, *BAD, *THINGS, *OTHERS, NOT)  # 0 is padding
EXAMPLES = (
    "the film was wonderful and the cast really clever",
    "the plot was boring and the ending awful",
    "we saw it on sunday and it was not good",
    "the music was not bad and the dialogue funny",
    "the ending was great but the plot was dull and the cast awful",
)


def text() -> Demo:
    """A convolutional network for sentences on films, and five of them; the words that matter are known.

    The sentences are made up: a good word speaks for "liked", a bad one for "disliked", "not" turns round the word
    after it; the logit is the sum. Trained by `tutorials/train_small.py` on 6,000 of them. `truth` is 1 and -1 at these
    words, 0 at all others.

    Example:
        >>> import tfxai
        >>> demo = tfxai.demo.text()
        >>> demo.labels[int(demo.model(demo.preprocess("the cast was not funny")).numpy()[0, 0] > 0.5)]
        'disliked'
    """
    words = [sentence.split() for sentence in EXAMPLES]
    padded = [one + [""] * (LENGTH - len(one)) for one in words]
    return Demo(stored("text", build()), preprocess(list(EXAMPLES)), ["disliked", "liked"], preprocess, np.asarray,
                list(EXAMPLES), tokens=padded, truth=np.array([polarity(one) for one in padded]))  # fmt: skip


def build() -> Any:
    """The network without weights."""
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((LENGTH,), dtype="int32", name="words"),
            layers.Embedding(len(VOCABULARY), 8, name="embedding"),
            layers.Conv1D(16, 2, padding="same", activation="relu", name="pairs"),
            layers.GlobalAveragePooling1D(name="mean"),
            layers.Dense(1, name="sum"),
            layers.Activation("sigmoid", name="liked"),
        ],
        name="sentences",
    )


def preprocess(sentences: str | Sequence[str]) -> np.ndarray:
    """Sentences of known words -> (n, 14) int32.

    Raises:
        InputError: An unknown word, or too many of them.
    """
    rows = [one.split() for one in ([sentences] if isinstance(sentences, str) else sentences)]
    unknown = sorted({word for row in rows for word in row} - set(VOCABULARY))
    if unknown or not rows or max(map(len, rows)) > LENGTH:
        raise InputError(
            f"A sentence has up to {LENGTH} words of {', '.join(VOCABULARY[1:])}. Received: "
            f"{f'the words {unknown}' if unknown else f'sentences of {[len(row) for row in rows]} words'}."
        )
    ids = [[VOCABULARY.index(word) for word in row] + [0] * (LENGTH - len(row)) for row in rows]
    return np.array(ids, "int32")


def polarity(words: Sequence[str]) -> list[int]:
    """What each word says by itself: 1 for "liked", -1 against it; "not" as what it makes of the next word."""
    plain = [(word in GOOD) - (word in BAD) for word in words]
    return [-b if word == NOT else a for word, a, b in zip(words, plain, [*plain[1:], 0], strict=True)]


def liking(words: Sequence[str]) -> int:
    """The good words less the bad ones, those after "not" the other way round: the logit that the network learned."""
    said = polarity(words)
    return sum(said) + sum(p for p, word in zip(said, words, strict=True) if word == NOT)


def made(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """So many random sentences, and how much they are liked.

    One in three of the words that do not matter is blank, so that the network learns that a blank says nothing.
    """
    kept = [_sentence(rng) for _ in range(count)]
    ids = preprocess([" ".join(words) for words in kept])
    blank = ~np.isin(ids, [VOCABULARY.index(word) for word in (*GOOD, *BAD, NOT)]) & (
        rng.uniform(size=ids.shape) < 1 / 3
    )
    return np.where(blank, 0, ids), np.array([liking(words) for words in kept])


def _sentence(rng: np.random.Generator) -> list[str]:
    """Other words with one to three judgements among them, each perhaps after "not"."""
    words: list[str] = []
    for _ in range(rng.integers(1, 4)):
        words += list(rng.choice(OTHERS + THINGS, rng.integers(1, 3)))
        words += [NOT] * int(rng.uniform() < 0.3) + [str(rng.choice(GOOD + BAD))]
    return [str(word) for word in words + list(rng.choice(OTHERS, rng.integers(0, 3)))][:LENGTH]
