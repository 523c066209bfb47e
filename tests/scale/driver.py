"""A job as a process of its own, to be killed: driver.py FOLDER OUT ENGINE SHARD SHARDS.

In FOLDER are `model.keras`, `x.npy` and the traps of its source.
"""

import sys
import warnings
from pathlib import Path

import numpy as np

import tfxai
from tests.scale.trapped import Trapped

JOB = {"method": "smoothgrad", "samples": 3, "chunk": 5, "seed": 3, "target": 1}


def run(folder, out, engine="local", shard=(0, 1), **more):
    """The job of a folder."""
    folder = Path(folder)
    source = Trapped(np.load(folder / "x.npy"), folder)
    return tfxai.scale.explain_dataset(
        folder / "model.keras", source, out, engine=engine, shard=shard, verbose=0, **JOB, **more
    )


if __name__ == "__main__":
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    own_folder, own_out, own_engine, *share = sys.argv[1:]
    run(own_folder, own_out, own_engine, tuple(map(int, share)) or (0, 1))
