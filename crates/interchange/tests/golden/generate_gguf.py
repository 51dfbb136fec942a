"""Writes the goldens of GGUF files: the decoders of `generate_decoders.py`, under the names and in the order of features that
llama.cpp's converter has, one with its weights in blocks, and one with a vocabulary of SentencePiece. Logits and ids are those of
the folders that they are made from.

    pip install -r requirements.txt && python generate_gguf.py OUT_DIR
"""

import io
import json
import math
import sys
import tempfile
from pathlib import Path

import gguf
import numpy as np
import sentencepiece
import torch
from safetensors.numpy import load_file
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6
LAYER = {
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "self_attn.qkv_proj": "attn_qkv", "mlp.gate_up_proj": "ffn_up", "self_attn.dense": "attn_output", "mlp.fc1": "ffn_up",
    "mlp.fc2": "ffn_down", "attention.dense": "attn_output", "mlp.dense_h_to_4h": "ffn_up", "mlp.dense_4h_to_h": "ffn_down",
    "attention.query_key_value": "attn_qkv",
}  # fmt: skip
GEMMA3 = LAYER | {
    "post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}  # fmt: skip
MODEL = {
    "model.embed_tokens": "token_embd", "gpt_neox.embed_in": "token_embd", "model.norm": "output_norm",
    "model.final_layernorm": "output_norm", "gpt_neox.final_layer_norm": "output_norm", "lm_head": "output", "embed_out": "output",
}  # fmt: skip


def neighbours(rows: np.ndarray, heads: int) -> np.ndarray:
    """Rows of heads whose halves turn together, in the order in which neighbours do."""
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def gguf_name(name: str, names: dict[str, str]) -> str:
    stem, end = name.rsplit(".", 1)
    parts = stem.split(".layers.")
    if len(parts) == 1:
        return f"{MODEL[stem]}.{end}"
    number, rest = parts[1].split(".", 1)
    return f"blk.{number}.{names[rest]}.{end}"


def tensors(folder: Path, config: dict, architecture: str) -> dict[str, np.ndarray]:
    found = {}
    names = GEMMA3 if architecture in ["gemma2", "gemma3"] else LAYER
    for name, tensor in load_file(folder / "model.safetensors").items():
        theirs, end = gguf_name(name, names).rsplit(".", 1)
        heads, kv_heads = config["num_attention_heads"], config.get("num_key_value_heads")
        if architecture == "llama" and theirs.endswith(("attn_q", "attn_k")):
            tensor = neighbours(tensor, heads if theirs.endswith("q") else kv_heads)
        if "query_key_value" in name:  # of each head together, there of each kind
            tensor = tensor.reshape(heads, 3, -1, *tensor.shape[1:]).swapaxes(0, 1).reshape(tensor.shape)
        if "gemma" in architecture and theirs.endswith("norm"):
            tensor = tensor + 1
        found[f"{theirs}.{end}"] = np.ascontiguousarray(tensor.astype(np.float32))
    if "short_factor" in config["rope_parameters"]:
        for length in ["short", "long"]:
            found[f"rope_factors_{length}.weight"] = np.array(config["rope_parameters"][f"{length}_factor"], np.float32)
    if architecture == "phi2":  # three projections there, one in GGUF files
        for number in range(config["num_hidden_layers"]):
            for end in ["weight", "bias"]:
                parts = [found.pop(f"blk.{number}.attn_{part}.{end}") for part in "qkv"]
                found[f"blk.{number}.attn_qkv.{end}"] = np.concatenate(parts)
    return found


def settings(writer: gguf.GGUFWriter, config: dict, architecture: str) -> None:
    heads = config["num_attention_heads"]
    head_dim = config.get("head_dim") or config["hidden_size"] // heads
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.get("num_key_value_heads", heads))
    if "head_dim" in config:
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
    if "rms_norm_eps" in config:
        writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    if "layer_norm_eps" in config:
        writer.add_layer_norm_eps(config["layer_norm_eps"])
    rotary = config["rope_parameters"]
    if architecture == "gemma3":
        writer.add_float32("gemma3.rope.freq_base_swa", rotary["sliding_attention"]["rope_theta"])
        writer.add_uint32("gemma3.attention.sliding_window_pattern", 2)
        rotary = rotary["full_attention"]
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rotary["factor"])
    writer.add_rope_freq_base(rotary["rope_theta"])
    writer.add_rope_dimension_count(int(head_dim * rotary.get("partial_rotary_factor", 1)))
    if architecture == "gemma2":
        writer.add_attn_logit_softcapping(config["attn_logit_softcapping"])
        writer.add_final_logit_softcapping(config["final_logit_softcapping"])
    if config.get("sliding_window"):
        writer.add_sliding_window(config["sliding_window"])
    if rotary["rope_type"] == "longrope":
        original = rotary["original_max_position_embeddings"]
        writer.add_rope_scaling_orig_ctx_len(original)
        writer.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(config["max_position_embeddings"] / original) / math.log(original)))
    if architecture == "gptneox":
        writer.add_parallel_residual(config["use_parallel_residual"])


def bpe(writer: gguf.GGUFWriter, folder: Path, begin: bool) -> None:
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    ids = tokenizer["model"]["vocab"]
    tokens = sorted(ids, key=ids.get)
    special = {token["content"] for token in tokenizer["added_tokens"]}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([CONTROL if token in special else NORMAL for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in tokenizer["model"]["merges"]])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(begin)
    if begin:
        writer.add_chat_template("{{ bos_token }}{% for message in messages %}{{ message.content + eos_token }}{% endfor %}")


def golden(out: Path, source: str, architecture: str, kind=None, name=None) -> None:
    folder = out / source
    config = json.loads((folder / "config.json").read_text())
    path = out / "gguf" / f"{name or source}.gguf"
    writer = gguf.GGUFWriter(path, architecture)
    settings(writer, config, architecture)
    case = json.loads((folder / "logits.json").read_text())[0]
    bpe(writer, folder, begin=case["encoded"][0][0] == 1)
    for tensor_name, tensor in tensors(folder, config, architecture).items():
        if kind and tensor.ndim == 2:
            writer.add_tensor(tensor_name, gguf.quants.quantize(tensor, kind), raw_dtype=kind)
        else:
            writer.add_tensor(tensor_name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def of_blocks(kind, shape: list[int], rng: np.random.Generator) -> np.ndarray:
    """Rows of random blocks of a kind that gguf does not make, with small scales."""
    block_len, block_bytes = gguf.GGML_QUANT_SIZES[kind]
    made = rng.integers(0, 256, (shape[0], shape[1] // block_len, block_bytes), dtype=np.uint8)
    scales = [208] if kind == gguf.GGMLQuantizationType.Q6_K else [0, 2]
    for at in scales:
        made[..., at : at + 2] = rng.uniform(1e-5, 1e-4, made.shape[:2] + (1,)).astype(np.float16).view(np.uint8)
    return made.reshape(shape[0], -1)


def blocks(out: Path) -> None:
    """A Llama with matrices in blocks of every kind that is kept, some of them side by side, and what transformers computes with
    the values that the blocks have by gguf."""
    kind = gguf.GGMLQuantizationType
    kinds = {
        "token_embd": kind.Q4_0, "output": kind.Q8_0,
        "blk.0.attn_q": kind.Q4_0, "blk.0.attn_k": kind.Q4_0, "blk.0.attn_v": kind.Q4_0, "blk.0.attn_output": kind.Q4_1,
        "blk.0.ffn_gate": kind.Q5_0, "blk.0.ffn_up": kind.Q8_0, "blk.0.ffn_down": kind.Q6_K,
        "blk.1.attn_q": kind.Q4_0, "blk.1.attn_k": kind.Q8_0, "blk.1.attn_v": kind.Q5_1, "blk.1.attn_output": kind.F16,
        "blk.1.ffn_gate": kind.Q4_1, "blk.1.ffn_up": kind.Q4_0, "blk.1.ffn_down": kind.Q4_K,
        "blk.2.attn_q": kind.Q8_0, "blk.2.attn_k": kind.Q8_0, "blk.2.attn_v": kind.Q8_0, "blk.2.ffn_down": kind.Q5_K,
        "blk.2.ffn_gate": kind.Q4_0, "blk.2.ffn_up": kind.Q4_0,
    }  # fmt: skip
    torch.manual_seed(7)
    rng = np.random.default_rng(7)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=41, hidden_size=32, intermediate_size=256, num_hidden_layers=3, num_attention_heads=2,
            num_key_value_heads=1, max_position_embeddings=64, tie_word_embeddings=False, initializer_range=0.3,
        )  # fmt: skip
    ).eval()
    config = model.config.to_dict()
    writer = gguf.GGUFWriter(out / "gguf/llama-blocks.gguf", "llama")
    settings(writer, config, "llama")
    bpe(writer, out / "llama", begin=True)
    state = model.state_dict()
    with tempfile.TemporaryDirectory() as folder:
        save_file(state, Path(folder) / "model.safetensors")
        found = tensors(Path(folder), config, "llama")
    values = {}
    for name, tensor in found.items():
        chosen = kinds.get(name.removesuffix(".weight"), kind.F32)
        if chosen in [kind.Q4_K, kind.Q5_K, kind.Q6_K]:
            made = of_blocks(chosen, list(tensor.shape), rng)
        else:
            made = gguf.quants.quantize(tensor, chosen)
        writer.add_tensor(name, made, raw_dtype=chosen)
        values[name] = gguf.quants.dequantize(made, chosen)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    for name, tensor in state.items():
        theirs = gguf_name(name, LAYER)
        rows = values[theirs]
        if theirs.endswith(("attn_q.weight", "attn_k.weight")):
            heads = 2 if "attn_q" in theirs else 1
            rows = rows.reshape(heads, -1, 2, rows.shape[1]).swapaxes(1, 2).reshape(rows.shape)
        tensor.copy_(torch.tensor(rows))
    ids = torch.randint(3, 41, (2, 7), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        logits = model(ids).logits
    case = {"ids": ids.tolist(), "tensors": {"logits": [round(x, 6) for x in logits.flatten().tolist()]}}
    (out / "gguf/llama-blocks.json").write_text(json.dumps([case]) + "\n")


def sentencepiece_bpe(out: Path) -> None:
    """The Llama of the goldens beside a vocabulary of SentencePiece with bytes, and the ids of texts by that library."""
    texts = ["the animal was too tired", "a street too wide", "tired animals are wide awake", "the end of the street"] * 4
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=model, model_type="bpe", vocab_size=300, byte_fallback=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False, character_coverage=1.0, num_threads=1,
    )  # fmt: skip
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    pieces = [processor.id_to_piece(id) for id in range(processor.get_piece_size())]
    kinds = [
        UNKNOWN if processor.is_unknown(id) else CONTROL if processor.is_control(id) else BYTE if processor.is_byte(id) else NORMAL
        for id in range(len(pieces))
    ]
    writer = gguf.GGUFWriter(out / "gguf/sentencepiece.gguf", "llama")
    width = 4
    for add, value in [
        (writer.add_context_length, 64), (writer.add_embedding_length, width), (writer.add_block_count, 1),
        (writer.add_feed_forward_length, width), (writer.add_head_count, 2), (writer.add_head_count_kv, 1),
        (writer.add_layer_norm_rms_eps, 1e-5), (writer.add_rope_dimension_count, 2),
    ]:  # fmt: skip
        add(value)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(pieces)
    writer.add_token_scores([processor.get_score(id) for id in range(len(pieces))])
    writer.add_token_types(kinds)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    shapes = {
        "token_embd": [len(pieces), width], "output_norm": [width], "blk.0.attn_norm": [width], "blk.0.ffn_norm": [width],
        "blk.0.attn_q": [width, width], "blk.0.attn_k": [2, width], "blk.0.attn_v": [2, width], "blk.0.attn_output": [width, width],
        "blk.0.ffn_gate": [width, width], "blk.0.ffn_up": [width, width], "blk.0.ffn_down": [width, width],
    }  # fmt: skip
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", np.full(shape, 0.5, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    cases = [*texts[:4], "", " leading and  double", "Ünknown ☃", "tab\tand\nline"]
    ids = [{"text": text, "ids": processor.encode(text)} for text in cases]
    (out / "gguf/sentencepiece.json").write_text(json.dumps(ids, ensure_ascii=False, indent=1) + "\n")


def main(out: Path) -> None:
    (out / "gguf").mkdir(exist_ok=True)
    for source, architecture in [
        ("llama", "llama"), ("qwen3", "qwen3"), ("gemma", "gemma"), ("gemma2", "gemma2"), ("gemma3", "gemma3"), ("phi", "phi2"),
        ("phi3", "phi3"), ("phi3-long", "phi3"), ("gpt-neox", "gptneox"), ("gpt-neox-in-turn", "gptneox"),
    ]:  # fmt: skip
        golden(out, source, architecture)
    golden(out, "llama", "llama", gguf.GGMLQuantizationType.F16, "llama-f16")
    blocks(out)
    sentencepiece_bpe(out)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
