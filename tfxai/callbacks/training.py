"""How long a network has been trained: the epochs and batches of all its `fit`s, whatever Keras numbers anew."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import tensorflow as tf

KERAS = ("keras", "tf_keras")


class Training:
    """Counts what Keras reports of one model. It reads the model and its optimizers, and changes nothing.

    Keras counts epochs from 0 at every `fit`, an optimizer its steps from 0 after every `compile`, and the end of a
    batch stands for several where an execution has several: none of these numbers is the training done.

    Args:
        model: The model in training.

    Attributes:
        epochs: Trained so far.
        batches: Trained so far.
        start: What of each unit was trained when the model was first seen: 0 unless training is resumed.
        untrained: Whether nothing was.
        compiled: How often it was compiled again since then.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> model.compile("sgd", "mse", steps_per_execution=4)
        >>> training = Training(model)
        >>> training.begin_fit(), training.begin_epoch(0, 6)
        (None, True)
        >>> training.begin_batch(0), training.end_batch(3, 6), training.begin_batch(4), training.end_batch(7, 6)
        (None, 4, None, 2)
        >>> training.end_epoch(0), training.batches
        (1, 6)
        >>> training.begin_fit(), training.begin_epoch(0, 6), training.end_epoch(0)
        (None, False, 2)
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.epochs = self.batches = self.compiled = 0
        self.start = {"epoch": 0, "batch": 0}
        self.untrained = True
        self._known = False  # whether an epoch of it was seen
        self._opening = True  # whether the next epoch is the first of a fit
        self._offset = 0  # from the epochs of this fit to those of the training
        self._batch: int | None = None  # the first one of the execution that is running
        self._clocks: list[list] = []  # [optimizer, how many steps of it are counted]
        self._function: Any = None  # of the training step: another one after every compile
        self._layers: tuple[list[str], list[str]] = ([], [])

    def __getstate__(self) -> dict:
        """Without what belongs to the running `fit`, which cannot be stored."""
        return {**self.__dict__, "_clocks": [], "_function": None}

    def begin_fit(self) -> None:
        """A `fit` begins."""
        self._opening = True
        function = getattr(self.model, "train_function", None)
        again = self._function is not None and function is not self._function
        self.compiled += again
        if again or self._function is None or getattr(self.model, "run_eagerly", False):
            self._layers = ([], [])  # a compiled step goes on training what was trainable when it was traced
            self.layers()
        self._function = function

    def begin_epoch(self, epoch: int, steps: int | None) -> bool:
        """An epoch begins, of so many batches (None: not known); whether it is the first one that is seen."""
        if not self._opening:
            return False
        self._opening = False
        first, self._known = not self._known, True
        if first:
            self._arrive(epoch, steps or 0)
        else:
            self._catch_up(steps or 0)
        self._offset = max(0, self.epochs - epoch)
        return first

    def begin_batch(self, batch: int) -> None:
        self._batch = batch

    def end_batch(self, batch: int, steps: int | None) -> int:
        """An execution ends; how many batches it had."""
        first = batch if self._batch is None else self._batch
        reached = max(batch + 1, first + _per_execution(self.model))  # Keras before 3.10 reports the first batch
        done = max(1, min(reached, steps or reached) - first)
        clock = self._clock()
        if clock is not None:
            if done > 1 and 0 < (applied := _steps(clock[0]) - clock[1]) < done:
                done = applied  # the data ended within the execution
            clock[1] += done
        self.batches += done
        self._batch = None
        return done

    def end_epoch(self, epoch: int) -> int:
        """An epoch ends; how many there were."""
        self.epochs = epoch + 1 + self._offset
        return self.epochs

    def layers(self) -> tuple[list[str], list[str]]:
        """The names of the layers with weights: of those that are trained, and of the others."""
        if not any(self._layers):
            trained = _owners(self.model, self.model.trainable_weights)
            self._layers = trained, [name for name in _owners(self.model, self.model.weights) if name not in trained]
        return self._layers

    def _arrive(self, epoch: int, steps: int) -> None:
        """The model is first seen: what was it trained before?"""
        self.epochs = epoch
        self.batches = max([epoch * steps, *map(_steps, _optimizers(self.model))])
        self.start = {"epoch": epoch, "batch": self.batches}
        self.untrained = epoch == 0 and self.batches == 0
        self._clock()

    def _catch_up(self, steps: int) -> None:
        """Counts what was trained since the last batch that was reported, without this callback."""
        known = [clock[0] for clock in self._clocks]
        clock = self._clock()
        if clock is None:
            return
        counted = clock[1] if any(clock[0] is optimizer for optimizer in known) else 0
        missed = max(0, _steps(clock[0]) - counted)
        self.batches += missed
        self.epochs += missed // steps if steps else 0
        clock[1] = _steps(clock[0])

    def _clock(self) -> list | None:
        """The optimizer's count of its steps, where Keras' own training step makes one of every batch."""
        optimizer = getattr(self.model, "optimizer", None)
        own = getattr(getattr(self.model, "train_step", None), "__module__", None) or ""
        if own.partition(".")[0] not in KERAS or not _is_optimizer(optimizer):
            return None
        if not any(clock[0] is optimizer for clock in self._clocks):
            self._clocks.append([optimizer, _steps(optimizer)])
        return next(clock for clock in self._clocks if clock[0] is optimizer)


def _per_execution(model: Any) -> int:
    """Batches in an execution, as far as the model says so in a number."""
    number = getattr(model, "steps_per_execution", 1)
    return number if isinstance(number, int) else 1


def _optimizers(model: Any) -> Iterable[Any]:
    """Those that are attributes of the model: the one it was compiled with, and its own."""
    for value in vars(model).values():
        several = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else [value]
        yield from filter(_is_optimizer, several)


def _is_optimizer(value: Any) -> bool:
    return hasattr(value, "apply_gradients") and hasattr(value, "_iterations")


def _steps(optimizer: Any) -> int:
    """How often it was given gradients: `iterations` counts several as one where they are accumulated."""
    inner = getattr(optimizer, "inner_optimizer", None)  # of a scaled loss: the outer one does not count
    number = optimizer._iterations  # the property would make it, where there is none yet
    own = 0 if number is None else int(tf.convert_to_tensor(number))
    return max(own, 0 if inner is None else _steps(inner))


def _owners(model: Any, weights: Iterable[Any]) -> list[str]:
    """The paths below the model of the layers that the weights belong to, each once, in their order."""
    paths = [(getattr(weight, "path", None) or weight.name).removeprefix(f"{model.name}/") for weight in weights]
    return list(dict.fromkeys(path.rpartition("/")[0] or path for path in paths))
