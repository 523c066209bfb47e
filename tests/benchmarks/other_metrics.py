"""The metrics that other maintained packages have, on the same arrays: theirs and ours, and what is different.

`python -m tests.benchmarks.other_metrics`, with what is installed of Quantus (channels first) and xplique.
Both are only compared with, and neither is needed by anything else here. What is black is 0 for all: Quantus' own word
for it is the smallest number of the pictures, with which its deletion curve differs by .008. Random draws differ, so
infidelity, sensitivity and ROAD cannot be compared number by number.
"""

import importlib.util
import warnings

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from tfxai import metrics
from tfxai.metrics import Case
from tfxai.metrics.faithfulness import deletion_curve

SIDE, STEPS = 8, 16


def problem():
    """A small trained classifier of where the bright square is, with positive and negative attributions and masks."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 256)
    x = rng.uniform(0, 0.3, (256, SIDE, SIDE, 1)).astype("float32")
    masks = np.zeros((256, SIDE, SIDE), bool)
    for i, left in enumerate(y):
        masks[i, 2:5, 1 + 3 * left : 4 + 3 * left] = True
        x[i, masks[i]] += 0.7
    i = keras.Input((SIDE, SIDE, 1))  # functional: Quantus stops at Sequential models
    h = layers.Flatten()(layers.Conv2D(4, 3, activation="relu")(i))
    model = keras.Model(i, layers.Dense(2, activation="softmax")(h))
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, y, epochs=8, verbose=0)
    return model, x[:16], y[:16], masks[:16], rng.normal(size=(16, SIDE, SIDE, 1)).astype("float32")


def ours(model, x, y, masks, values):
    """(n,) of every metric that others have, and the curves."""
    case = Case.of(model, x, values, target=y, masks=masks, on="probability")
    found = {name: getattr(metrics, name)(case) for name in (
        "sparseness", "entropy", "pointing_game", "relevance_rank", "relevance_mass"
    )}  # fmt: skip
    found["deletion curve"] = deletion_curve(case, STEPS).scores[:, 1:]
    found["deletion"], found["insertion"] = metrics.deletion(case, STEPS), metrics.insertion(case, STEPS)
    return found


def quantus(model, x, y, masks, values):
    """The same by Quantus."""
    import quantus as q

    (x_first, a), s = (np.moveaxis(t, -1, 1) for t in (x, values)), masks[:, None]
    plain = {"abs": False, "normalise": False, "disable_warnings": True}
    beside = {"model": None, "x_batch": x_first, "y_batch": y, "channel_first": True}
    positive = np.maximum(a, 0)
    flipping = q.PixelFlipping(
        features_in_step=SIDE * SIDE // STEPS, perturb_baseline=0.0, return_auc_per_sample=False, **plain
    )
    curve = flipping(model, x, y, a, channel_first=False, softmax=True)
    return {
        "sparseness": q.Sparseness(abs=True, normalise=False, disable_warnings=True)(a_batch=np.abs(a), **beside),
        "entropy": q.Complexity(abs=True, normalise=False, disable_warnings=True)(a_batch=np.abs(a), **beside),
        "pointing_game": q.PointingGame(**plain)(a_batch=a, s_batch=s, **beside),
        "relevance_rank": q.RelevanceRankAccuracy(**plain)(a_batch=a, s_batch=s, **beside),
        "relevance_mass": q.RelevanceMassAccuracy(**plain)(a_batch=positive, s_batch=s, **beside),
        "deletion curve": np.array(curve),
    }


def xplique(model, x, y, masks, values):
    """The same by xplique."""
    from xplique import metrics as theirs

    targets = tf.one_hot(y, 2)
    steps = {"steps": STEPS, "max_percentage_perturbed": 1.0, "baseline_mode": 0.0, "batch_size": 16}
    found = {}
    for name, kind in (("deletion", theirs.Deletion), ("insertion", theirs.Insertion)):
        found[name] = [kind(model, x[i : i + 1], targets[i : i + 1], **steps)(values[i : i + 1]) for i in range(len(x))]
    found["sparseness"] = [theirs.Sparseness()(values[i : i + 1]) for i in range(len(x))]
    return found


def main():
    warnings.simplefilter("ignore")
    given = problem()
    mine = ours(*given)
    print("| metric | package | largest difference | of |\n|---|---|---|---|")
    for package, run in (("quantus", quantus), ("xplique", xplique)):
        if importlib.util.find_spec(package) is None:
            print(f"| - | {package} | not installed | |")
            continue
        for name, numbers in run(*given).items():
            difference = np.abs(np.asarray(numbers, float) - mine[name]).max()
            print(f"| {name} | {package} | {difference:.1e} | {np.abs(mine[name]).max():.3g} |")


if __name__ == "__main__":
    main()
