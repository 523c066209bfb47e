"""Explanations while a model learns.

    model.fit(x, y, callbacks=[tfxai.callbacks.ExplanationSnapshot(x_val[:4], method="gradcam")])

writes `tfxai-snapshots/index.html`, a film strip of what the network looked at after every epoch. Other places:

    ExplanationSnapshot(x, sinks=[tensorboard("logs")])
    ExplanationSnapshot(x, sinks=[lambda e, figure, epoch: wandb.log({"explain": wandb.Image(figure)}, step=epoch)])
    ExplanationSnapshot(x, sinks=[lambda e, figure, epoch: mlflow.log_figure(figure, f"explain/{epoch}.png")])
"""

from tfxai.callbacks.sinks import directory, tensorboard
from tfxai.callbacks.snapshot import ExplanationSnapshot

__all__ = ["ExplanationSnapshot", "directory", "tensorboard"]
