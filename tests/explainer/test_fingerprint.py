"""The fingerprint of an explanation: of its model and options, not of its examples."""

import numpy as np

import tfxai


def test_fingerprint_tells_models_and_options_apart():
    demo = tfxai.demo.digits()
    first = tfxai.explain(demo.model, demo.examples[:1]).fingerprint
    assert first == tfxai.explain(demo.model, demo.examples[1:3]).fingerprint
    assert first != tfxai.explain(demo.model, demo.examples[:1], rule="genomics").fingerprint
    demo.model.weights[-1].assign_add(np.ones(10))
    assert first != tfxai.explain(demo.model, demo.examples[:1]).fingerprint
