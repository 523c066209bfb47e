"""The engine of several devices, on two of a CPU. It was not run on GPUs."""

import collections
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import tfxai
from tfxai.errors import ModelTypeError, OptionError

ROOT = Path(__file__).parents[2]


@pytest.mark.long
def test_two_devices_at_once(tmp_path):
    script = ROOT / "tests/scale/two_devices.py"
    ran = subprocess.run(
        [sys.executable, script, tmp_path], capture_output=True, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "0"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-3000:]
    seen = json.loads(ran.stdout.splitlines()[-1])
    assert seen["smoothgrad"] and seen["stream, deeplift of a layer"] and seen["resumed"]  # equal to the bit
    assert set(seen["workers"]) == {"CPU:0", "CPU:1"} and len(seen["workers"]) == 8
    assert seen["variables"] == seen["of the model"] * [["CPU:0", "CPU:1"]]
    log = ran.stderr[ran.stderr.index("BEGIN") : ran.stderr.index("END")]
    placed = collections.Counter(re.findall(r"placer.cc:\d+\] \S+: \((\w+)\): /job\S*:(CPU:\d)", log))
    for op in ("MatMul", "TanhGrad"):
        assert placed[op, "CPU:0"] == placed[op, "CPU:1"] > 0, op
    passes = collections.Counter(re.findall(r"Executing op __inference_run\S* in device /job\S*:(CPU:\d)", log))
    chunks = collections.Counter(seen["workers"])
    each = passes["CPU:1"] // chunks["CPU:1"]
    assert each > 0 and passes["CPU:1"] == each * chunks["CPU:1"]
    assert passes["CPU:0"] == each * (chunks["CPU:0"] + 1)  # and once for what the store is like
    assert seen["error"] == "This example cannot be read." and not seen["done"][3] and seen["done"][4] < 8
    assert "TensorFlow sees 2 of type CPU. Received: 3." in seen["three"]


def test_what_it_cannot_do_is_refused(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])

    def refused(kind, match, model=model, **more):
        with pytest.raises(kind, match=match):
            tfxai.scale.explain_dataset(
                model, np.ones((4, 3), "float32"), tmp_path / "a.zarr", engine="mirrored", verbose=0, **more
            )

    refused(OptionError, r"TensorFlow sees 1 of type CPU. Received: 2\.", workers=2)
    refused(OptionError, "gives each worker one device. Received: num_gpus=2. Leave it out", num_gpus=2)
    refused(OptionError, "workers is a whole number from 1, or None", workers=0.5)
    refused(ModelTypeError, "a black box has none. Use engine='local'", model=tfxai.black_box(lambda x: x[:, 0]))
