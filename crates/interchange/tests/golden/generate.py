"""Writes the goldens of attentive-interchange: tiny models of transformers and CTranslate2, and what they compute.

    pip install -r requirements.txt && python generate.py OUT_DIR
"""

import json
import sys
from pathlib import Path

import ctranslate2
import numpy as np
import sentencepiece
import torch
from ctranslate2.specs import TransformerSpec, common_spec
from safetensors.torch import save_file
from sentencepiece import sentencepiece_model_pb2 as model_pb2
from transformers import (
    GPT2Config, GPT2LMHeadModel, MarianConfig, MarianMTModel, MarianTokenizer, PegasusConfig, PegasusForConditionalGeneration,
)  # fmt: skip

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "testkit/golden"))
from torch_golden import named, write

D_MODEL, D_FF, HEADS, LAYERS = 6, 7, 2, 2
TEXTS = ["the animal was tired", ">>de<< a street", "too wide: the end", "an ☃ unknown", "", " spaces  between "]


def sentencepiece_model(words: str) -> model_pb2.ModelProto:
    """A Unigram model of words, their beginnings, and characters."""
    model = model_pb2.ModelProto()
    Piece = model_pb2.ModelProto.SentencePiece
    model.pieces.add(piece="<unk>", score=0, type=Piece.UNKNOWN)
    model.pieces.add(piece="</s>", score=0, type=Piece.CONTROL)
    pieces = ["▁" + word for word in words.split()]
    pieces += ["▁", *sorted(set("".join(words.split())))]
    for n, piece in enumerate(dict.fromkeys(pieces)):
        model.pieces.add(piece=piece, score=-1 - n / 8, type=Piece.NORMAL)
    model.trainer_spec.model_type = model_pb2.TrainerSpec.UNIGRAM
    model.trainer_spec.vocab_size = len(model.pieces)
    model.trainer_spec.unk_id, model.trainer_spec.eos_id = 0, 1
    model.trainer_spec.bos_id = model.trainer_spec.pad_id = -1
    model.normalizer_spec.name = "golden"
    return model


def t5_pieces() -> model_pb2.ModelProto:
    """Padding, end and unknown piece, as of T5 and Pegasus, then those of a model of words."""
    source = sentencepiece_model("the animal was too tired street wide end a an")
    model = model_pb2.ModelProto()
    Piece = model_pb2.ModelProto.SentencePiece
    for piece, kind in [("<pad>", Piece.CONTROL), ("</s>", Piece.CONTROL), ("<unk>", Piece.UNKNOWN)]:
        model.pieces.add(piece=piece, score=0, type=kind)
    model.pieces.extend(source.pieces[2:])
    model.trainer_spec.CopyFrom(source.trainer_spec)
    model.trainer_spec.vocab_size = len(model.pieces)
    model.trainer_spec.pad_id, model.trainer_spec.eos_id, model.trainer_spec.unk_id = 0, 1, 2
    model.trainer_spec.bos_id = -1
    model.normalizer_spec.name = "golden"
    return model


def tokenizer(folder: Path, separate: bool) -> tuple:
    """Marian's files, its ids and texts; gives the sizes of the vocabularies of sources and targets."""
    source = sentencepiece_model("the animal was too tired street wide end a an")
    target = sentencepiece_model("das Tier war zu müde Straße breit Ende ein eine")
    vocabularies = []
    for models in [[source], [target]] if separate else [[source, target]]:
        # A piece of each model is not in the vocabulary.
        pieces = ["</s>", "<unk>", ">>de<<", *(p.piece for model in models for p in model.pieces[2:-1])]
        vocabularies.append([*dict.fromkeys(pieces), "<pad>"])
    vocabulary = vocabularies[-1]
    for name, entries in zip(["vocab", "target_vocab"], vocabularies):
        (folder / f"{name}.json").write_text(json.dumps({piece: n for n, piece in enumerate(entries)}, indent=1) + "\n")
    for name, model in [("source", source), ("target", target)]:
        (folder / f"{name}.spm").write_bytes(model.SerializeToString(deterministic=True))
    settings = {"tokenizer_class": "MarianTokenizer"} | ({"separate_vocabs": True} if separate else {})
    (folder / "tokenizer_config.json").write_text(json.dumps(settings) + "\n")
    marian = MarianTokenizer.from_pretrained(str(folder))
    sources = [marian(text, add_special_tokens=False)["input_ids"] for text in TEXTS]
    targets = [marian(text_target=text, add_special_tokens=False)["input_ids"] for text in TEXTS]
    scrambled = [[n * 7919 % len(vocabulary) for n in range(k, 3 * k)] for k in range(1, 9)]
    if separate:
        # Of two vocabularies, transformers takes the special ids of sources for those of targets.
        special = {entries.index(token) for entries in vocabularies for token in marian.all_special_tokens}
        scrambled = [[n for n in ids if n not in special] for ids in scrambled]
    decoded = [marian.decode(ids, skip_special_tokens=True) for ids in scrambled]
    cases = {"texts": TEXTS, "sources": sources, "targets": targets, "ids": scrambled, "decoded": decoded}
    write(folder / "tokens.json", [cases])
    return len(vocabularies[0]), len(vocabulary)


def seq2seq(folder: Path, config_class, model_class, separate=False) -> None:
    """A model of transformers with weights by formula, and its logits."""
    folder.mkdir(exist_ok=True)
    vocab_size, target_size = tokenizer(folder, separate)
    pad, start = min(vocab_size, target_size) - 1, target_size - 1
    apart = dict(decoder_vocab_size=target_size, share_encoder_decoder_embeddings=False) if separate else {}
    config = config_class(
        vocab_size=vocab_size, d_model=D_MODEL, encoder_layers=LAYERS, decoder_layers=1,
        encoder_ffn_dim=D_FF, decoder_ffn_dim=D_FF, encoder_attention_heads=HEADS, decoder_attention_heads=HEADS,
        activation_function="swish", scale_embedding=True, max_position_embeddings=64, pad_token_id=pad,
        eos_token_id=0, forced_eos_token_id=0, decoder_start_token_id=start, architectures=[model_class.__name__], **apart,
    )  # fmt: skip
    model = model_class(config).eval()
    state = {
        name: named(name, *tensor.shape, scale=0.5, offset=float("layer_norm.weight" in name)).float()
        for name, tensor in model.state_dict().items()
        if name in ["model.shared.weight", "final_logits_bias"] or "layer" in name or separate and "embed_tokens" in name
    }
    if model_class is PegasusForConditionalGeneration:
        state |= {name: tensor.clone() for name, tensor in model.state_dict().items() if "embed_positions" in name}
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected
    model.tie_weights()
    (folder / "config.json").write_text(json.dumps(config.to_dict(), indent=1, sort_keys=True) + "\n")
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    torch.save(state, folder / "pytorch_model.bin")

    source = torch.tensor([[5, 9, 3, 7, 0], [8, 4, 0, pad, pad]])
    lengths = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    target = torch.tensor([[start, 11, 6, 12], [start, 10, 13, 3]])
    with torch.no_grad():
        logits = model(input_ids=source, attention_mask=lengths, decoder_input_ids=target).logits
    case = {"source": [[5, 9, 3, 7, 0], [8, 4, 0]], "target": target.tolist(), "tensors": {"logits": rounded(logits)}}
    write(folder / "logits.json", [case])


def gpt2(folder: Path) -> None:
    """A GPT-2 of transformers with weights by formula over the bytes alone, and its logits."""
    folder.mkdir(exist_ok=True)
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    bytes_ = [chr(byte) for byte in printable] + [chr(256 + n) for n in range(256 - len(printable))]
    vocabulary = [*bytes_, "th", "the", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({token: n for n, token in enumerate(vocabulary)}) + "\n")
    (folder / "merges.txt").write_text("#version: 0.2\nt h\nth e\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "GPT2Tokenizer"}) + "\n")
    end = len(vocabulary) - 1
    config = GPT2Config(
        vocab_size=len(vocabulary), n_positions=16, n_embd=D_MODEL, n_layer=LAYERS, n_head=HEADS, n_inner=D_FF,
        bos_token_id=end, eos_token_id=end, architectures=["GPT2LMHeadModel"],
    )  # fmt: skip
    model = GPT2LMHeadModel(config).eval()
    state = {
        name: named(name, *tensor.shape, scale=0.5, offset=float("ln_" in name and name.endswith("weight"))).float()
        for name, tensor in model.state_dict().items()
        if name.startswith("transformer.") and not name.endswith((".attn.bias", ".attn.masked_bias"))
    }
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected
    model.tie_weights()
    (folder / "config.json").write_text(json.dumps(config.to_dict(), indent=1, sort_keys=True) + "\n")
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    torch.save(state, folder / "pytorch_model.bin")
    ids = torch.tensor([[5, 200, 31, 256, end, 7], [9, 9, 0, 257, 100, 3]])
    with torch.no_grad():
        logits = model(input_ids=ids).logits
    write(folder / "logits.json", [{"ids": ids.tolist(), "tensors": {"logits": rounded(logits)}}])


def rounded(values) -> list:
    return [float(f"{x:.9g}") for x in np.asarray(values, dtype=np.float64).reshape(-1).tolist()]


VOCABULARY = ["<pad>", "<s>", "</s>", "<unk>", *"abcdefghijklm"]
SENTENCES = [list("abc"), list("m"), list("fedcbaabcdef"), list("hijkl")]


class Ours:
    """Our parameters by name, as CTranslate2's variables."""

    def __init__(self, pre_norm: bool):
        self.pre_norm = pre_norm

    def get(self, name: str, *shape: int) -> np.ndarray:
        return named(name, *shape, scale=0.5, offset=float(name.endswith("gamma"))).float().numpy()

    def linear(self, spec, sub_layer: str, parts: list, d_in: int, d_out: int) -> None:
        spec.weight = np.concatenate([self.get(f"{sub_layer}.{part}.weight", d_in, d_out).T for part in parts])
        spec.bias = np.concatenate([self.get(f"{sub_layer}.{part}.bias", d_out) for part in parts])

    def norm(self, spec, name: str) -> None:
        spec.gamma, spec.beta = self.get(f"{name}.gamma", D_MODEL), self.get(f"{name}.beta", D_MODEL)

    def stack(self, spec, stack: str) -> None:
        spec.position_encodings.encodings = self.positions(32)
        if self.pre_norm:
            self.norm(spec.layer_norm, f"{stack}.norm")
        for n, layer in enumerate(spec.layer):
            ours = f"{stack}.layers.{n}"
            linear = lambda spec, sub_layer, parts: self.linear(spec, f"{ours}.{sub_layer}", parts, D_MODEL, D_MODEL)
            linear(layer.self_attention.linear[0], "self_attention", ["query", "key", "value"])
            linear(layer.self_attention.linear[1], "self_attention", ["output"])
            self.norm(layer.self_attention.layer_norm, f"{ours}.self_attention_add_norm.norm")
            if stack == "decoder":
                linear(layer.attention.linear[0], "cross_attention", ["query"])
                linear(layer.attention.linear[1], "cross_attention", ["key", "value"])
                linear(layer.attention.linear[2], "cross_attention", ["output"])
                self.norm(layer.attention.layer_norm, f"{ours}.cross_attention_add_norm.norm")
            self.linear(layer.ffn.linear_0, f"{ours}.feed_forward", ["inner"], D_MODEL, D_FF)
            self.linear(layer.ffn.linear_1, f"{ours}.feed_forward", ["outer"], D_FF, D_MODEL)
            self.norm(layer.ffn.layer_norm, f"{ours}.feed_forward_add_norm.norm")

    def positions(self, n: int) -> np.ndarray:
        angle = np.arange(n)[:, None] / 10_000 ** (np.arange(0, D_MODEL, 2) / D_MODEL)
        return np.stack([np.sin(angle), np.cos(angle)], axis=2).reshape(n, D_MODEL).astype(np.float32)


def ct2(out: Path) -> None:
    """Models as CTranslate2's own converter writes them, and what it translates with them."""
    cases = []
    for pre_norm, quantization in [(False, None), (True, None), (False, "int8")]:
        ours = Ours(pre_norm)
        activation = common_spec.Activation.GELU if pre_norm else common_spec.Activation.RELU
        spec = TransformerSpec.from_config(LAYERS, HEADS, pre_norm=pre_norm, activation=activation)
        ours.stack(spec.encoder, "encoder")
        ours.stack(spec.decoder, "decoder")
        table = ours.get("source_embedding.weight", len(VOCABULARY), D_MODEL)
        spec.encoder.embeddings[0].weight = spec.decoder.embeddings.weight = spec.decoder.projection.weight = table
        if pre_norm:
            spec.decoder.projection.bias = ours.get("projection_bias", len(VOCABULARY))
        spec.register_source_vocabulary(VOCABULARY)
        spec.register_target_vocabulary(VOCABULARY)
        spec.config.add_source_eos = True
        spec.config.layer_norm_epsilon = 1e-5
        spec.validate()
        spec.optimize(quantization)
        name = f"ctranslate2-{'pre' if pre_norm else 'post'}-{quantization or 'float32'}"
        folder = out / name
        folder.mkdir(exist_ok=True)
        spec.save(str(folder))
        translator = ctranslate2.Translator(str(folder), compute_type="float32")
        results = translator.translate_batch(
            SENTENCES, beam_size=1, max_decoding_length=12, return_scores=True, return_logits_vocab=False,
            length_penalty=0, suppress_sequences=[["<pad>"], ["<s>"], ["<unk>"]],
        )  # fmt: skip
        forced = translator.score_batch(SENTENCES, [list("abcdefg")] * len(SENTENCES))
        cases.append({
            "name": name, "pre_norm": pre_norm, "quantization": quantization or "float32", "sentences": SENTENCES,
            "translations": [result.hypotheses[0] for result in results],
            "forced": "abcdefg", "tensors": {"log_probs": rounded([r.log_probs for r in forced])},
        })  # fmt: skip
    write(out / "ctranslate2.json", cases)


if __name__ == "__main__":
    out = Path(sys.argv[1])
    seq2seq(out / "marian", MarianConfig, MarianMTModel)
    seq2seq(out / "marian-separate", MarianConfig, MarianMTModel, separate=True)
    seq2seq(out / "pegasus", PegasusConfig, PegasusForConditionalGeneration)
    gpt2(out / "gpt2")
    ct2(out)
