"""Slow: tiny networks of keras-hub, of every family. `pytest -m slow -n 1 tests/test_hub_zoo.py`.

Each is complete, the same in single and double precision, has the score of the model and, where its input is a picture,
the tape's gradient and a map of the layer in the table.
"""

import importlib
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfxai
from tests.test_package_zoo import precision

# Keras warns of its own layers; of an explanation nothing is to be said.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.filterwarnings("error::tfxai.CompletenessWarning"),
]

ENCODER = {
    "vocabulary_size": 30, "num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 16,
    "max_sequence_length": 8,
}  # fmt: skip
DECODER = {"vocabulary_size": 30, "num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 16}
GROUPED = {k: v for k, v in DECODER.items() if k != "num_heads"} | {"num_query_heads": 2, "num_key_value_heads": 1}
SIDE = (32, 32, 3)
VISION = {"image_shape": SIDE, "patch_size": 8, "num_layers": 2, "num_heads": 2, "hidden_dim": 8}


class Family(NamedTuple):
    """Arguments of a backbone, the token that a classifier reads (pictures: none), the default layer of its maps."""

    arguments: dict[str, Any]
    token: int | None = None
    layer: str | None = None
    output: str = ""


class Part(NamedTuple):
    """A network in another: where its class is, and its arguments."""

    module: str
    name: str
    arguments: dict[str, Any]


def words(arguments: dict[str, Any], token: int = 0, without: str = "", **more: Any) -> Family:
    return Family({k: v for k, v in arguments.items() if k != without} | more, token)


def pictures(layer: str, output: str = "", **arguments: Any) -> Family:
    return Family({"image_shape": SIDE} | arguments, None, layer, output)


RESNET = {
    "image_shape": SIDE, "input_conv_filters": [64], "input_conv_kernel_sizes": [3], "stackwise_num_filters": [64, 128],
    "stackwise_num_blocks": [1, 1], "stackwise_num_strides": [1, 2], "block_type": "basic_block",
}  # fmt: skip
SIDES = {"num_heads": 2, "num_layers": 2, "hidden_dim": 8, "intermediate_dim": 16, "intermediate_activation": "gelu"}
FAMILIES = {
    "Albert": words(ENCODER, embedding_dim=4, num_groups=1, num_inner_repetitions=1),
    "Bert": words(ENCODER),
    "Roberta": words(ENCODER),
    "XLMRoberta": words(ENCODER),
    "DistilBert": words(ENCODER),
    "DebertaV3": words(ENCODER, bucket_size=4),
    "Electra": words(ENCODER, without="vocabulary_size", vocab_size=30, embedding_dim=4),
    "FNet": words(ENCODER, without="num_heads"),
    "ESM": words(DECODER, max_sequence_length=8, pad_token_id=0),
    "RoformerV2": words(DECODER, head_size=4),
    "XLNet": words(DECODER),
    "GPT2": words(ENCODER, -1),
    "OPT": words(ENCODER, -1),
    "Bloom": words(DECODER, -1),
    "GPTNeoX": words(DECODER | {"hidden_dim": 16}, -1, max_sequence_length=8),
    "Falcon": words(DECODER, -1, without="num_heads", num_attention_heads=2),
    "Llama": words(GROUPED, -1),
    "Llama3": words(GROUPED, -1),
    "Mistral": words(GROUPED, -1, sliding_window=4),
    "Mixtral": words(GROUPED, -1, num_experts=2, top_k=1),
    "Gemma": words(GROUPED, -1, head_dim=4),
    "Phi3": words(GROUPED, -1),
    "Qwen": words(GROUPED, -1),
    "Qwen3": words(GROUPED, -1, head_dim=4),
    "QwenMoe": words(
        GROUPED, -1, moe_intermediate_dim=8, shared_expert_intermediate_dim=8, num_experts=2, top_k=1
    ),
    "GptOss": words(GROUPED, -1, num_experts=2, top_k=2),
    "RWKV7": words(
        DECODER, -1, without="num_heads", hidden_size=8, head_size=4, gate_lora=4, mv_lora=4, aaa_lora=4, decay_lora=4
    ),
    "Gemma3": words(GROUPED, -1, head_dim=4, image_size=16),
    "SmolLM3": words(
        DECODER, -1, without="num_heads", num_attention_heads=2, num_key_value_heads=1, attention_bias=False,
        attention_dropout=0.0, rope_layer_enabled_list=[True, False], layer_types=["full_attention"] * 2,
        mlp_bias=False, layer_norm_epsilon=1e-6, max_position_embeddings=16, rope_theta=1e4, partial_rotary_factor=1.0,
    ),
    "Qwen3Moe": words(GROUPED, -1, moe_intermediate_dim=8, num_experts=2, head_dim=4, top_k=1),
    "T5": words(DECODER, -1),
    "T5Gemma": words(
        {f"{side}_{k}": v for side in ("encoder", "decoder") for k, v in {
            "hidden_dim": 8, "intermediate_dim": 16, "num_layers": 1, "num_attention_heads": 2,
            "num_key_value_heads": 1, "head_dim": 4, "layer_types": ["full_attention"],
        }.items()}, -1, vocabulary_size=30,
    ),
    "Bart": words(ENCODER, -1),
    "Whisper": words(DECODER, -1, num_mels=8, max_encoder_sequence_length=16, max_decoder_sequence_length=8),
    "ViT": pictures("vit_encoder/transformer_block_1", **VISION, mlp_dim=16),
    "DeiT": pictures("deit_encoder/transformer_block_1/output_layer", **VISION, intermediate_dim=16),
    "DINOV2": pictures("encoder/layers_0", **VISION, intermediate_dim=16),
    "SwinTransformer": pictures(
        "stage_1/blocks_0", embed_dim=8, depths=(2, 2), num_heads=(2, 2), window_size=4, patch_size=4
    ),
    "MiT": pictures(
        "output_level_1", layerwise_depths=[1, 1], num_layers=2, layerwise_num_heads=[1, 2], layerwise_sr_ratios=[2, 1],
        max_drop_path_rate=0.1, layerwise_patch_sizes=[7, 3], layerwise_strides=[4, 2], hidden_dims=[8, 16],
    ),
    "ResNet": pictures("stack1_block0_out", **RESNET),
    "RetinaNet": pictures(
        "fpn/output_conv_P3", "P3", image_encoder=Part("models", "ResNetBackbone", RESNET), min_level=2, max_level=3,
        use_p5=False,
    ),
    "HGNetV2": pictures(
        "encoder/encoder_stage_1/encoder_stage_1_block_0/encoder_stage_1_block_0_agg_excite/"
        "encoder_stage_1_block_0_agg_excite_lab", "stage2", depths=[1, 1], embedding_size=8, hidden_sizes=[8, 16],
        stem_channels=[3, 4, 8], hidden_act="relu", use_learnable_affine_block=True, apply_downsample=[False, True],
        stackwise_stage_filters=[[8, 4, 8, 1, 1, 3], [8, 4, 16, 1, 1, 3]], use_lightweight_conv_block=[False, True],
    ),
    "MobileNet": pictures(
        "block_3_0/activation_7", stackwise_expansion=[[8, 8], [16]], stackwise_num_blocks=[2, 1],
        stackwise_num_filters=[[8, 8], [8]], stackwise_kernel_size=[[3, 3], [5]], stackwise_num_strides=[[2, 1], [1]],
        stackwise_se_ratio=[[0.25, None], [0.25]], stackwise_activation=[["relu", "relu"], ["hard_swish"]],
        stackwise_padding=[[1, 1], [2]], output_num_filters=16, input_num_filters=8, depthwise_filters=8,
        depthwise_stride=2, depthwise_residual=False, squeeze_and_excite=0.5, last_layer_filter=16,
    ),
    "EfficientNet": Family({
        "stackwise_kernel_sizes": [3, 3], "stackwise_num_repeats": [1, 2], "stackwise_input_filters": [8, 8],
        "stackwise_output_filters": [8, 16], "stackwise_expansion_ratios": [1, 2],
        "stackwise_squeeze_and_excite_ratios": [0.25, 0.25], "stackwise_strides": [1, 2],
        "stackwise_block_types": ["v1", "v1"], "stackwise_force_input_filters": [0, 0],
        "stackwise_nores_option": [False, False], "stackwise_width_coefficients": [1.0, 1.0],
        "stackwise_depth_coefficients": [1.0, 1.0], "input_shape": SIDE, "num_features": 16,
    }, None, "top_activation"),
    "ViTDet": pictures(
        "sequential_2/layer_normalization_5", hidden_size=8, num_layers=2, intermediate_dim=16, num_heads=2,
        global_attention_layer_indices=[1], patch_size=4, num_output_channels=8, window_size=4,
    ),
    # Its scores are those of every picture with every text: explained are those of the pairs.
    "CLIP": Family({
        "vision_encoder": Part("src.models.clip.clip_vision_encoder", "CLIPVisionEncoder",
                               SIDES | {"patch_size": 8, "image_shape": SIDE}),
        "text_encoder": Part("src.models.clip.clip_text_encoder", "CLIPTextEncoder",
                             SIDES | {"vocabulary_size": 30, "embedding_dim": 8, "max_sequence_length": 8}),
        "projection_dim": 8,
    }, None, "clip_vision_encoder/encoder_block_0", "vision_logits"),
    "DenseNet": pictures("relu", stackwise_num_repeats=[1, 2], growth_rate=4),
    "VGG": pictures("block2_conv1", stackwise_num_repeats=[1, 1], stackwise_num_filters=[4, 8]),
    "Xception": pictures(
        "block2_sepconv2_act", stackwise_conv_filters=[[8, 8], [8, 8]], stackwise_pooling=[True, False],
    ),
}  # fmt: skip


def network(name, dtype="float32"):
    """A classifier of three classes; weights of a spread at which every part matters."""
    hub = pytest.importorskip("keras_hub")
    keras.utils.set_random_seed(0)
    keras.backend.clear_session()  # names begin anew
    family = FAMILIES[name]
    parts = {
        k: getattr(importlib.import_module(f"keras_hub.{v.module}"), v.name)(**v.arguments, dtype=dtype)
        if isinstance(v, Part) else v for k, v in family.arguments.items()
    }  # fmt: skip
    backbone = getattr(hub.models, f"{name}Backbone")(**parts, dtype=dtype)
    for weight in backbone.trainable_variables:
        if len(weight.shape):
            noise = np.random.default_rng(len(weight.path)).normal(0, 0.15, weight.shape)
            weight.assign(np.asarray(weight) + noise)
    y = backbone.output
    if isinstance(y, dict):
        keys = [k for k in ("pooled_output", "decoder_sequence_output", "sequence_output") if k in y]
        y = y[family.output or keys[0]]
    if name == "CLIP":
        y = keras.layers.Lambda(lambda pairs: tf.linalg.diag_part(pairs)[:, None], output_shape=(1,), dtype=dtype)(y)
    if len(y.shape) == 4:
        y = keras.layers.GlobalAveragePooling2D(dtype=dtype)(y)
    if len(y.shape) == 3:
        y = y[:, family.token or 0]
    return keras.Model(backbone.input, keras.layers.Dense(3, dtype=dtype)(y))


def examples(model):
    """Two of them: the second has two positions of padding."""
    rng = np.random.default_rng(1)

    def one(name, tensor):
        shape = [2, *(8 if size is None else size for size in tensor.shape[1:])]
        if "mask" in name:
            mask = np.ones(shape, "int32")
            mask[1, -2:] = 0
            return mask
        if "segment" in name:
            return np.zeros(shape, "int32")
        if "float" in str(tensor.dtype):
            return rng.normal(size=shape).astype("float32")
        return rng.integers(1, 30, shape).astype("int32")

    inputs = model.input
    if isinstance(inputs, dict):
        return {name: one(name, tensor) for name, tensor in inputs.items()}
    return one(inputs.name, inputs)


def explained(model, x, *method):
    return tfxai.explain(model, x, *method, target=1, verbose=0)


@pytest.mark.parametrize("name", FAMILIES)
def test_family(name):
    model = network(name)
    x = examples(model)
    e = explained(model, x)
    np.testing.assert_allclose(e.score, np.asarray(model(x, training=False))[:, 1], rtol=1e-4, atol=1e-5)
    assert e.residual.max() < 1e-4
    with precision("float64"):  # some backbones hand their dtype on to none of their layers
        double = network(name, "float64")
        double.set_weights(model.get_weights())
        wide = explained(double, x)
    assert {w.dtype for w in double.trainable_variables} == {"float64"}
    flat, exact = (np.concatenate([np.ravel(v) for v in keras.tree.flatten(r.values)]) for r in (e, wide))
    assert np.abs(exact).max() > 1e-4 and np.abs(flat - exact).max() < 2e-4 * np.abs(exact).max()
    if FAMILIES[name].token is None:
        given = {k: tf.constant(v) for k, v in (x if isinstance(x, dict) else {"images": x}).items()}
        picture = given["images"]
        with tf.GradientTape() as tape:
            tape.watch(picture)
            y = model(given if isinstance(x, dict) else picture, training=False)[:, 1]
        slope = tape.gradient(y, picture).numpy()
        of_pictures = lambda e: e.values["images"] if isinstance(x, dict) else e.values  # noqa: E731
        got = of_pictures(explained(model, x, "gradient"))
        np.testing.assert_allclose(got, slope, atol=1e-4 * np.abs(slope).max())
        chosen = explained(model, x, "gradcam")
        assert chosen.layer == FAMILIES[name].layer and chosen.values.shape == (2, 32, 32, 1)


@pytest.mark.parametrize("name", ["Albert", "Bert", "GPT2", "Llama", "T5", "ViT"])
def test_relevance_of_transformers_is_accounted_for(name):
    """AttnLRP by default: what does not arrive at the tokens is what constants and softmax kept, layer by layer."""
    model = network(name)
    e = explained(model, examples(model), "lrp")
    assert e.meta["rule"] == "attnlrp"
    total = sum(v.reshape(len(v), -1).sum(1, dtype="float64") for v in keras.tree.flatten(e.values))
    kept = sum(p["bias"] + p["other"] for layer, p in e.layer_sums.items() if layer != "elsewhere")
    assert np.abs(total).max() > 1e-3 and np.abs(kept).max() > 1e-3
    assert np.abs(e.score - total - kept).max() <= 1e-4 * max(np.abs(p["arrived"]).max() for p in e.layer_sums.values())
