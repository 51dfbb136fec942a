"""Writes goldens of checkpoints of fairseq and OpenNMT-py: tiny models in their layouts, with what stands beside them, and
what a reference of the published definitions computes with them. CTranslate2's own converter reads those of OpenNMT-py that
it can, and must compute the same.

    pip install -r requirements-checkpoints.txt && python generate_checkpoints.py OUT_DIR
"""

import argparse
import math
import sys
import tempfile
import types
from collections import Counter, OrderedDict
from pathlib import Path

import ctranslate2
import sentencepiece
import torch
from ctranslate2.converters import OpenNMTPyConverter
from safetensors.torch import save_file
from torch.nn.functional import gelu, layer_norm, linear, relu, silu

HERE = Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[3] / "testkit/golden"))
sys.path.insert(0, str(HERE.parents[3] / "weights/tests/golden"))
from generate import save_pickles
from generate_translators import sentencepiece_model
from torch_golden import named, write

D_MODEL, D_FF, HEADS = 8, 10, 2
LAYERS = {"encoder": 2, "decoder": 1}
TEXTS = ["the animal was tired", "a street", "too wide: the end", "an ☃ unknown"]
FORCED = "das Tier war müde"
MAX_LEN = 12
# Merges of subword-nmt: last characters have the mark from the start.
MERGES = [("t", "h"), ("th", "e</w>"), ("a", "n"), ("an", "i"), ("w", "a"), ("wa", "s</w>"), ("d", "a"), ("da", "s</w>"),
          ("T", "i"), ("e", "r</w>"), ("wa", "r</w>"), ("s", "t"), ("e", "n"), ("r", "e")]  # fmt: skip


class Transformer:
    """The encoder–decoder of Vaswani et al. 2017, with what fairseq and OpenNMT-py change of it; parameters by formula."""

    def __init__(self, name: str, sizes: list, **choices):
        self.choices = {"pre": False, "epsilon": 1e-5, "activation": relu, "gated": False, "rms": False, "scale": True,
                        "embedding_norm": False, "kv_heads": HEADS, "attention_bias": True, "projection_bias": False,
                        "shared": False, "tied": False, "half": False} | choices  # fmt: skip
        self.name, self.params = name, OrderedDict()
        pick, sizes = self.choices, dict(zip(["encoder", "decoder"], sizes))
        for stack in ["encoder", "decoder"]:
            if stack == "encoder" or not pick["shared"]:
                self.add(f"{stack}.table", sizes[stack], D_MODEL)
        if pick["shared"]:
            self.params["decoder.table"] = self.params["encoder.table"]
        if not pick["tied"]:
            self.add("projection.weight", sizes["decoder"], D_MODEL)
        if pick["projection_bias"]:
            self.add("projection.bias", sizes["decoder"])
        for stack, n_layers in LAYERS.items():
            if "learned" in pick:
                self.add(f"{stack}.positions", pick["learned"][stack], D_MODEL)
            for kind, is_there in [("embedding_norm", pick["embedding_norm"]), ("last_norm", pick["pre"])]:
                if is_there:
                    self.norm(f"{stack}.{kind}")
            for n in range(n_layers):
                for attention in ["own", "cross"] if stack == "decoder" else ["own"]:
                    width = pick["kv_heads"] * D_MODEL // HEADS
                    for part, rows in [("query", D_MODEL), ("key", width), ("value", width), ("output", D_MODEL)]:
                        self.map(f"{stack}.{n}.{attention}.{part}", rows, D_MODEL, pick["attention_bias"])
                    self.norm(f"{stack}.{n}.{attention}.norm")
                for part in ["inner", "gate"] if pick["gated"] else ["inner"]:
                    self.map(f"{stack}.{n}.{part}", D_FF, D_MODEL, True)
                self.map(f"{stack}.{n}.outer", D_MODEL, D_FF, True)
                self.norm(f"{stack}.{n}.norm")

    def add(self, key: str, *shape: int, offset: float = 0.0) -> None:
        value = named(f"{self.name} {key}", *shape, scale=0.5, offset=offset)
        self.params[key] = value.half() if self.choices["half"] else value.float()

    def map(self, key: str, rows: int, columns: int, bias: bool) -> None:
        self.add(f"{key}.weight", rows, columns)
        if bias:
            self.add(f"{key}.bias", rows)

    def norm(self, key: str) -> None:
        self.add(f"{key}.weight", D_MODEL, offset=1.0)
        if not self.choices["rms"]:
            self.add(f"{key}.bias", D_MODEL)

    def get(self, key: str) -> torch.Tensor:
        return self.params[key].double()

    def project(self, key: str, x: torch.Tensor) -> torch.Tensor:
        bias = self.get(f"{key}.bias") if f"{key}.bias" in self.params else None
        return linear(x, self.get(f"{key}.weight"), bias)

    def normalized(self, key: str, x: torch.Tensor) -> torch.Tensor:
        if self.choices["rms"]:
            return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.choices["epsilon"]) * self.get(f"{key}.weight")
        return layer_norm(x, [D_MODEL], self.get(f"{key}.weight"), self.get(f"{key}.bias"), self.choices["epsilon"])

    def sublayer(self, key: str, x: torch.Tensor, compute) -> torch.Tensor:
        if self.choices["pre"]:
            return x + compute(self.normalized(f"{key}.norm", x))
        return self.normalized(f"{key}.norm", x + compute(x))

    def attention(self, key: str, x: torch.Tensor, memory: torch.Tensor, causal: bool) -> torch.Tensor:
        heads = lambda part, of: self.project(f"{key}.{part}", of).unflatten(-1, (-1, D_MODEL // HEADS)).transpose(0, 1)
        query, keys, values = heads("query", x), heads("key", memory), heads("value", memory)
        keys, values = (of.repeat_interleave(HEADS // of.shape[0], 0) for of in (keys, values))
        scores = query @ keys.transpose(1, 2) / math.sqrt(D_MODEL // HEADS)
        if causal:
            scores = scores.masked_fill(torch.ones(scores.shape[1:], dtype=torch.bool).triu(1), -math.inf)
        return self.project(f"{key}.output", (scores.softmax(-1) @ values).transpose(0, 1).flatten(1))

    def feed_forward(self, key: str, x: torch.Tensor) -> torch.Tensor:
        hidden = self.choices["activation"](self.project(f"{key}.inner", x))
        if self.choices["gated"]:
            hidden = hidden * self.project(f"{key}.gate", x)
        return self.project(f"{key}.outer", hidden)

    def run(self, stack: str, ids: list, memory: torch.Tensor | None = None) -> torch.Tensor:
        x = self.get(f"{stack}.table")[ids] * (math.sqrt(D_MODEL) if self.choices["scale"] else 1)
        x = x + (self.get(f"{stack}.positions")[2:][: len(ids)] if "learned" in self.choices else self.choices["positions"](len(ids)))
        if self.choices["embedding_norm"]:
            x = self.normalized(f"{stack}.embedding_norm", x)
        for n in range(LAYERS[stack]):
            key = f"{stack}.{n}"
            x = self.sublayer(f"{key}.own", x, lambda x: self.attention(f"{key}.own", x, x, stack == "decoder"))
            if memory is not None:
                x = self.sublayer(f"{key}.cross", x, lambda x: self.attention(f"{key}.cross", x, memory, False))
            x = self.sublayer(key, x, lambda x: self.feed_forward(key, x))
        return self.normalized(f"{stack}.last_norm", x) if self.choices["pre"] else x

    def log_probs(self, source: list, target: list) -> torch.Tensor:
        x = self.run("decoder", target, self.run("encoder", source))
        weight = self.get("decoder.table" if self.choices["tied"] else "projection.weight")
        bias = self.get("projection.bias") if self.choices["projection_bias"] else None
        return linear(x, weight, bias).log_softmax(-1)


def paper_sinusoids(n: int) -> torch.Tensor:
    """§3.5: sine and cosine side by side."""
    angles = torch.arange(n).double()[:, None] / 10_000 ** (torch.arange(0, D_MODEL, 2).double() / D_MODEL)
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)


def halved_sinusoids(first: int):
    """tensor2tensor's: sines before cosines, the last frequency 1/10,000."""

    def table(n: int) -> torch.Tensor:
        frequencies = 10_000 ** -(torch.arange(D_MODEL // 2).double() / (D_MODEL // 2 - 1))
        angles = (torch.arange(n).double()[:, None] + first) * frequencies
        return torch.cat([angles.sin(), angles.cos()], 1)

    return table


def segment(word: str) -> list:
    """subword-nmt's algorithm: the earliest merge first."""
    pieces = [*word[:-1], word[-1] + "</w>"]
    while pairs := [(MERGES.index(pair), n) for n, pair in enumerate(zip(pieces, pieces[1:])) if pair in MERGES]:
        _, n = min(pairs)
        pieces[n : n + 2] = ["".join(pieces[n : n + 2])]
    return [piece.removesuffix("</w>") if piece.endswith("</w>") else piece + "@@" for piece in pieces]


def cut(text: str) -> list:
    return [piece for word in text.split() for piece in segment(word)]


class Texts:
    """Vocabularies of both sides, and how texts become their pieces."""

    def __init__(self, folder: Path, specials: list, separate: bool, by_codes: bool):
        if by_codes:
            (folder / "bpecodes").write_text("".join(f"{a} {b} {9 - n // 2}\n" for n, (a, b) in enumerate(MERGES)))
            pieces = [[piece for text in texts for piece in cut(text)] for texts in (TEXTS[:3], [FORCED, "ein Ende"])]
            self.cut = [cut, cut]
        else:
            source = sentencepiece_model("the animal was too tired street wide end a an")
            target = sentencepiece_model("das Tier war zu müde Straße breit Ende ein eine")
            pieces = [[piece.piece for piece in model.pieces[2:-1]] for model in (source, target)]
            for model, name in [(source, "source.spm"), (target, "target.spm")]:
                (folder / name).write_bytes(model.SerializeToString(deterministic=True))
            processors = [sentencepiece.SentencePieceProcessor(model_file=str(folder / name)) for name in ("source.spm", "target.spm")]
            self.cut = [lambda text, of=of: of.encode(text, out_type=str) for of in processors]
        self.pieces = [list(dict.fromkeys(side)) for side in (pieces if separate else [sum(pieces, [])] * 2)]
        self.lists = [[*of, *side] for of, side in zip(specials, self.pieces)]

    def ids(self, side: int, text: str) -> list:
        of = self.lists[side]
        return [of.index(piece if piece in of else "<unk>") for piece in self.cut[side](text)]

    def case(self, name: str, system: str, model: Transformer, begin: str, source_end: list) -> dict:
        """What the model computes."""
        [begin, eos, *never] = map(self.lists[1].index, [begin, "</s>", "<unk>", "<s>", "<pad>" if system == "fairseq" else "<blank>"])
        sources = [self.ids(0, text) for text in TEXTS]
        forced = self.ids(1, FORCED)
        found, translations = [], []
        for source in sources:
            read = [*source, *source_end]
            log_probs = model.log_probs(read, [begin, *forced])
            found += log_probs[range(len(forced) + 1), [*forced, eos]].tolist()
            target = []
            while len(target) < MAX_LEN:
                last = model.log_probs(read, [begin, *target])[-1]
                last[[id for id in {begin, *never} if id != eos]] = -math.inf
                target.append(int(last.argmax()))
                if target[-1] == eos:
                    break
            translations.append([id for id in target if id != eos])
        return {
            "name": name, "system": system, "texts": TEXTS, "sources": sources, "source_end": source_end, "begin": begin,
            "forced": FORCED, "forced_ids": forced, "translations": translations,
            "tensors": {"log_probs": [float(f"{x:.9g}") for x in found]},
        }  # fmt: skip


PARTS = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "output": "out_proj", "norm": "layer_norm"}


def fairseq_state(model: Transformer, old: bool) -> OrderedDict:
    """The state dictionary of `TransformerModel`; an `old` one is of the names that `upgrade_state_dict_named` changes."""
    params, state = model.params, OrderedDict()
    for stack, n_layers in LAYERS.items():
        state[f"{stack}.version"] = torch.tensor([3.0])
        state[f"{stack}.embed_tokens.weight"] = params[f"{stack}.table"]
        if "learned" in model.choices:
            state[f"{stack}.embed_positions.weight"] = params[f"{stack}.positions"]
        elif old:
            state[f"{stack}.embed_positions.weights"] = halved_sinusoids(0)(20).float()
        else:
            state[f"{stack}.embed_positions._float_tensor"] = torch.tensor([1.0])
        names = {f"{stack}.embedding_norm": f"{stack}.layernorm_embedding", f"{stack}.last_norm": f"{stack}.layer_norm"}
        for n in range(n_layers):
            key, layer = f"{stack}.{n}", f"{stack}.layers.{n}"
            attentions = {"own": "self_attn", "cross": "encoder_attn"} if stack == "decoder" else {"own": "self_attn"}
            for at, (ours, theirs) in enumerate(attentions.items()):
                for part, name in PARTS.items():
                    names[f"{key}.{ours}.{part}"] = f"{layer}.{theirs}{'_' if part == 'norm' else '.'}{name}"
                if old:
                    names[f"{key}.{ours}.norm"] = f"{layer}.layer_norms.{at}"
                    for part in ["weight", "bias"]:
                        heads = [params[f"{key}.{ours}.{of}.{part}"] for of in ["query", "key", "value"]]
                        state[f"{layer}.{theirs}.in_proj_{part}"] = torch.cat(heads)
                    for of in ["query", "key", "value"]:
                        del names[f"{key}.{ours}.{of}"]
            names |= {f"{key}.inner": f"{layer}.fc1", f"{key}.outer": f"{layer}.fc2"}
            names[f"{key}.norm"] = f"{layer}.layer_norms.{len(attentions)}" if old else f"{layer}.final_layer_norm"
        for ours, theirs in names.items():
            for part in ["weight", "bias"]:
                if f"{ours}.{part}" in params:
                    state[f"{theirs}.{part}"] = params[f"{ours}.{part}"]
    if model.choices["tied"] and not old:
        state["decoder.output_projection.weight"] = params["decoder.table"]
    if not model.choices["tied"]:
        state["decoder.embed_out" if old else "decoder.output_projection.weight"] = params["projection.weight"]
    return state


def fairseq(out: Path, name: str, settings: dict, form: str, separate: bool, by_codes: bool, **choices) -> dict:
    """A checkpoint as `fairseq-train` writes it: `args` of older versions, `cfg` of newer ones."""
    folder = out / name
    folder.mkdir(exist_ok=True)
    specials = ["<s>", "<pad>", "</s>", "<unk>"]
    texts = Texts(folder, [specials, specials], separate, by_codes)
    for language, pieces in zip(["en", "de"], texts.pieces):
        (folder / f"dict.{language}.txt").write_text("".join(f"{piece} {99 - n}\n" for n, piece in enumerate(pieces)))
    model = Transformer(name, list(map(len, texts.lists)), **choices)
    settings = {
        "encoder_embed_dim": D_MODEL, "encoder_ffn_embed_dim": D_FF, "encoder_layers": 2, "encoder_attention_heads": HEADS,
        "decoder_embed_dim": D_MODEL, "decoder_ffn_embed_dim": D_FF, "decoder_layers": 1, "decoder_attention_heads": HEADS,
        "encoder_normalize_before": False, "decoder_normalize_before": False, "encoder_learned_pos": False,
        "decoder_learned_pos": False, "encoder_embed_path": None, "decoder_embed_path": None, "activation_fn": "relu",
        "dropout": 0.3, "attention_dropout": 0.1, "activation_dropout": 0.0, "adaptive_softmax_cutoff": None,
        "adaptive_softmax_dropout": 0, "share_decoder_input_output_embed": False, "share_all_embeddings": False,
        "no_token_positional_embeddings": False, "adaptive_input": False, "no_cross_attention": False,
        "cross_self_attention": False, "decoder_input_dim": D_MODEL, "decoder_output_dim": D_MODEL,
        "no_scale_embedding": False, "layernorm_embedding": False, "tie_adaptive_weights": False,
        "encoder_layerdrop": 0.1, "decoder_layerdrop": 0, "quant_noise_pq": 0, "quant_noise_scalar": 0,
    } | settings  # fmt: skip
    task = {"source_lang": "en", "target_lang": "de", "left_pad_source": True, "left_pad_target": False}
    training = {"lr": [0.0005], "optimizer": "adam", "adam_betas": "(0.9, 0.98)", "max_tokens": 4096, "fp16": True}
    state = fairseq_state(model, form == "old")
    saved = {"model": state, "optimizer_history": [{"num_updates": 7}], "extra_state": {"epoch": 1}}
    if form == "nested":
        groups = {}
        for key, value in settings.items():
            stack, _, rest = key.partition("_")
            group = groups.setdefault(stack, {}) if stack in ["encoder", "decoder"] else groups
            group[rest if group is not groups else key] = value
        quant_noise = {"pq": 0.0, "pq_block_size": 8, "scalar": 0.0}
        cfg = {"model": groups | {"quant_noise": quant_noise, "_name": "transformer"}, "task": task | {"_name": "translation"}}
        saved |= {"args": None, "cfg": cfg}
    elif form == "cfg":
        arguments = argparse.Namespace(**settings, **task, **training, arch="transformer_wmt_en_de", task="translation", _name="transformer_wmt_en_de")
        saved |= {"args": None, "cfg": {"_name": None, "model": arguments, "task": task | {"_name": "translation"}, "bpe": None}}
    else:
        saved |= {"args": argparse.Namespace(**settings, **task, **training, arch="transformer_iwslt_de_en", task="translation")}
    if form == "old":
        save_pickles(saved, folder / "model.pt")
    else:
        torch.save(saved, folder / "checkpoint_best.pt")
    return texts.case(name, "fairseq", model, "</s>", [2])


def opennmt_state(model: Transformer, positions: bool) -> OrderedDict:
    """The state dictionary of `NMTModel`."""
    params, state = model.params, OrderedDict()
    parts = {"query": "linear_query", "key": "linear_keys", "value": "linear_values", "output": "final_linear"}
    for stack, n_layers in LAYERS.items():
        state[f"{stack}.embeddings.make_embedding.emb_luts.0.weight"] = params[f"{stack}.table"]
        if positions:
            state[f"{stack}.embeddings.make_embedding.pe.pe"] = model.choices["positions"](20).float().unsqueeze(1)
        names = {f"{stack}.last_norm": f"{stack}.layer_norm"}
        for n in range(n_layers):
            key, layer = f"{stack}.{n}", f"{stack}.{'transformer' if stack == 'encoder' else 'transformer_layers'}.{n}"
            for ours, theirs in {"own": "self_attn", "cross": "context_attn"}.items():
                names |= {f"{key}.{ours}.{part}": f"{layer}.{theirs}.{name}" for part, name in parts.items()}
            is_decoder = stack == "decoder"
            names |= {f"{key}.own.norm": f"{layer}.layer_norm{'_1' * is_decoder}", f"{key}.cross.norm": f"{layer}.layer_norm_2"}
            names |= {f"{key}.{ours}": f"{layer}.feed_forward.{theirs}" for ours, theirs in
                      [("inner", "w_1"), ("outer", "w_2"), ("gate", "w_3"), ("norm", "layer_norm")]}  # fmt: skip
        for ours, theirs in names.items():
            state |= {f"{theirs}.{part}": params[f"{ours}.{part}"] for part in ["weight", "bias"] if f"{ours}.{part}" in params}
    return state


def torchtext() -> tuple:
    """Classes of torchtext and of OpenNMT-py 2 by name, whose objects its checkpoints have."""
    classes = []
    for module, name in [("torchtext.vocab", "Vocab"), ("torchtext.data.field", "Field"), ("onmt.inputters.text_dataset", "TextMultiField")]:
        made = type(name, (), {"__module__": module})
        parts = module.split(".")
        for n in range(1, len(parts) + 1):
            sys.modules.setdefault(".".join(parts[:n]), types.ModuleType(".".join(parts[:n])))
        setattr(sys.modules[module], name, made)
        classes.append(made)
    return tuple(classes)


def of_torchtext(lists: list) -> dict:
    Vocab, Field, TextMultiField = torchtext()
    fields = {}
    for side, entries in zip(["src", "tgt"], lists):
        vocab, field, multi = Vocab(), Field(), TextMultiField()
        vocab.__dict__ |= {"freqs": Counter(entries), "itos": entries, "stoi": {entry: n for n, entry in enumerate(entries)}}
        field.__dict__ |= {"sequential": True, "pad_token": "<blank>", "vocab": vocab}
        multi.fields = [(side, field)]
        fields[side] = multi
    return fields


def opennmt(out: Path, name: str, settings: dict, form: str, separate: bool, by_codes: bool, **choices) -> dict:
    """A checkpoint as OpenNMT-py's `train` writes it."""
    folder = out / name
    folder.mkdir(exist_ok=True)
    all_specials = ["<unk>", "<blank>", "<s>", "</s>"]
    texts = Texts(folder, [all_specials[:2] if form == "old" else all_specials, all_specials], separate, by_codes)
    model = Transformer(name, list(map(len, texts.lists)), pre=True, projection_bias=True, **{"epsilon": 1e-6} | choices)
    settings = {
        "encoder_type": "transformer", "decoder_type": "transformer", "enc_layers": 2, "dec_layers": 1, "heads": HEADS,
        "hidden_size": D_MODEL, "transformer_ff": D_FF, "position_encoding": True, "self_attn_type": "scaled-dot",
        "max_relative_positions": 0, "dropout": [0.1], "attention_dropout": [0.0], "share_embeddings": False,
        "share_decoder_embeddings": False, "copy_attn": False, "coverage_attn": False, "generator_function": "softmax",
        "model_type": "text", "optim": "adam", "learning_rate": 2.0, "data": {"corpus": {"path_src": "src.txt"}},
    } | settings  # fmt: skip
    generator = OrderedDict(weight=model.params["decoder.table" if model.choices["tied"] else "projection.weight"], bias=model.params["projection.bias"])
    if form == "old":
        generator = OrderedDict((f"0.{key}", value) for key, value in generator.items())
        vocab = of_torchtext(texts.lists)
    else:
        vocab = {"src": texts.lists[0], "tgt": texts.lists[1], "data_task": "seq2seq", "decoder_start_token": "<s>"}
    state = opennmt_state(model, form != "safetensors")
    saved = {"vocab": vocab, "opt": argparse.Namespace(**settings), "optim": {"training_step": 7}}
    path = folder / "model_step_7.pt"
    if form == "safetensors":
        tensors = state | {f"generator.{key}": value for key, value in generator.items()}
        save_file({key: value.clone() for key, value in tensors.items()}, path.with_suffix(".safetensors"))
    else:
        saved |= {"model": state, "generator": generator}
    torch.save(saved, path)
    case = texts.case(name, "OpenNMT-py", model, "<s>", [])
    if form != "safetensors":
        agrees(path, texts, case)
    return case


def agrees(path: Path, texts: Texts, case: dict) -> None:
    """Holds the reference against CTranslate2, whose own converter reads the checkpoint."""
    converter = OpenNMTPyConverter(str(path), unsafe_deserialization=True)
    spec = converter._load()
    spec.config.layer_norm_epsilon = 1e-6  # which the converter does not say
    spec.validate()
    with tempfile.TemporaryDirectory() as folder:
        spec.save(folder)
        translator = ctranslate2.Translator(folder, compute_type="float32", inter_threads=1, intra_threads=1)
        sources = [texts.cut[0](text) for text in TEXTS]
        forced = texts.cut[1](FORCED)
        scores = translator.score_batch(sources, [forced] * len(sources))
        found = torch.tensor([x for score in scores for x in score.log_probs])
        assert (found - torch.tensor(case["tensors"]["log_probs"])).abs().max() < 2e-5
        results = translator.translate_batch(
            sources, beam_size=1, max_decoding_length=MAX_LEN, disable_unk=True, length_penalty=0,
            suppress_sequences=[["<s>"], ["<blank>"]],
        )  # fmt: skip
        found = [[texts.lists[1].index(piece) for piece in result.hypotheses[0]] for result in results]
        assert found == case["translations"], (found, case["translations"])


if __name__ == "__main__":
    out = Path(sys.argv[1])
    torch.set_num_threads(1)
    both = lambda **settings: {f"{stack}_{key}": value for key, value in settings.items() for stack in LAYERS}
    cases = [
        fairseq(out, "fairseq", {"share_all_embeddings": True, "share_decoder_input_output_embed": True}, "cfg", separate=False,
                by_codes=True, positions=halved_sinusoids(2), shared=True, tied=True),
        fairseq(out, "fairseq-old", both(normalize_before=True), "old", separate=True, by_codes=True,
                positions=halved_sinusoids(2), pre=True, half=True),
        fairseq(out, "fairseq-learned", both(learned_pos=True) | {"activation_fn": "gelu", "no_scale_embedding": True,
                "layernorm_embedding": True, "share_decoder_input_output_embed": True}, "nested", separate=True, by_codes=False,
                learned={"encoder": 22, "decoder": 26}, activation=gelu, scale=False, embedding_norm=True, tied=True),
        opennmt(out, "opennmt", {"share_embeddings": True, "share_decoder_embeddings": True, "add_qkvbias": False}, "lists",
                separate=False, by_codes=False, positions=paper_sinusoids, attention_bias=False, shared=True, tied=True),
        opennmt(out, "opennmt-old", {"pos_ffn_activation_fn": "relu"}, "old", separate=True, by_codes=True, positions=paper_sinusoids),
        opennmt(out, "opennmt-gated", {"position_encoding_type": "SinusoidalConcat", "pos_ffn_activation_fn": "silu", "num_kv": 1,
                "layer_norm": "rms", "norm_eps": 1e-5, "self_attn_type": "scaled-dot-flash", "share_decoder_embeddings": False},
                "safetensors", separate=True, by_codes=False, positions=halved_sinusoids(0), activation=silu, gated=True, rms=True,
                kv_heads=1, epsilon=1e-5, attention_bias=False),
    ]  # fmt: skip
    write(out / "checkpoints.json", cases)
