"""CTranslate2's side of `cargo xtask bench decode`: the same weights, sources and forced lengths.

Usage: decode_ctranslate2.py FOLDER HEADS float32|int8 BEAM BATCH LEN THREADS, where FOLDER holds model.safetensors and
sources.json, as `attentive-bench export` writes them. The model is built through CTranslate2's specification.
"""

import json
import os
import sys
import tempfile

import ctranslate2
import numpy as np
from ctranslate2.specs import TransformerSpec, common_spec
from safetensors.numpy import load_file

from worker import serve


def linear(spec, parts):
    """Weights of ours are [in, out]; CTranslate2's [out, in], fused parts one after another."""
    spec.weight = np.concatenate([weight.T for weight, _ in parts]).copy()
    spec.bias = np.concatenate([bias for _, bias in parts])


def build(folder, heads, compute_type, out):
    weights = load_file(f"{folder}/model.safetensors")
    layers = [max(int(name.split(".")[2]) for name in weights if name.startswith(f"{side}.layers")) + 1
              for side in ("encoder", "decoder")]
    spec = TransformerSpec.from_config(tuple(layers), heads, pre_norm=False, activation=common_spec.Activation.RELU)
    part = lambda path: (weights[f"{path}.weight"], weights[f"{path}.bias"])

    def norm(spec, path):
        spec.gamma, spec.beta = weights[f"{path}.norm.gamma"], weights[f"{path}.norm.beta"]

    def feed_forward(spec, path):
        linear(spec.ffn.linear_0, [part(f"{path}.feed_forward.inner")])
        linear(spec.ffn.linear_1, [part(f"{path}.feed_forward.outer")])
        norm(spec.ffn.layer_norm, f"{path}.feed_forward_add_norm")

    def self_attention(spec, path):
        linear(spec.linear[0], [part(f"{path}.self_attention.{name}") for name in ("query", "key", "value")])
        linear(spec.linear[1], [part(f"{path}.self_attention.output")])
        norm(spec.layer_norm, f"{path}.self_attention_add_norm")

    embedding = weights["source_embedding.weight"]
    vocab, d = embedding.shape
    angle = np.arange(512)[:, None] / 10_000 ** (np.arange(0, d, 2) / d)
    positions = np.stack([np.sin(angle), np.cos(angle)], -1).reshape(512, d).astype(np.float32)
    spec.encoder.embeddings[0].weight = embedding
    spec.decoder.embeddings.weight = embedding
    spec.decoder.projection.weight = embedding
    for side in (spec.encoder, spec.decoder):
        side.scale_embeddings = True
        side.position_encodings.encodings = positions
    for i, layer in enumerate(spec.encoder.layer):
        self_attention(layer.self_attention, f"encoder.layers.{i}")
        feed_forward(layer, f"encoder.layers.{i}")
    for i, layer in enumerate(spec.decoder.layer):
        path = f"decoder.layers.{i}"
        self_attention(layer.self_attention, path)
        linear(layer.attention.linear[0], [part(f"{path}.cross_attention.query")])
        linear(layer.attention.linear[1], [part(f"{path}.cross_attention.{name}") for name in ("key", "value")])
        linear(layer.attention.linear[2], [part(f"{path}.cross_attention.output")])
        norm(layer.attention.layer_norm, f"{path}.cross_attention_add_norm")
        feed_forward(layer, path)
    tokens = ["<unk>", "<s>", "</s>"] + [str(id) for id in range(3, vocab)]
    spec.register_source_vocabulary(tokens)
    spec.register_target_vocabulary(tokens)
    spec.config.add_source_bos = spec.config.add_source_eos = False
    spec.validate()
    spec.optimize(quantization=None if compute_type == "float32" else compute_type)
    spec.save(out)
    return tokens


def main():
    folder, heads, compute_type, beam, batch, length, threads = sys.argv[1:]
    with tempfile.TemporaryDirectory() as out:
        model = os.path.join(out, "model")
        os.mkdir(model)
        tokens = build(folder, int(heads), compute_type, model)
        translator = ctranslate2.Translator(
            model, device="cpu", compute_type=compute_type, inter_threads=1, intra_threads=int(threads))
    with open(f"{folder}/sources.json") as file:
        sources = [[tokens[id] for id in source] for source in json.load(file)]
    ids = {token: id for id, token in enumerate(tokens)}

    def run_round():
        results = translator.translate_batch(
            sources, beam_size=int(beam), max_batch_size=int(batch), length_penalty=0,
            min_decoding_length=int(length), max_decoding_length=int(length))
        targets = [[ids[token] for token in result.hypotheses[0]] for result in results]
        return sum(map(len, targets)), {"targets": targets}

    serve({"ctranslate2": ctranslate2.__version__, "compute_type": translator.compute_type}, run_round)


main()
