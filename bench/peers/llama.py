"""Our parameters of Llama's family, under the names of transformers and of GGUF."""

import tomllib

from safetensors.numpy import load_file

# The parts of a layer: ours, transformers', GGUF's. Ours are [in, out], theirs [out, in].
MAPS = [
    ("self_attention.query", "self_attn.q_proj", "attn_q"),
    ("self_attention.key", "self_attn.k_proj", "attn_k"),
    ("self_attention.value", "self_attn.v_proj", "attn_v"),
    ("self_attention.output", "self_attn.o_proj", "attn_output"),
    ("feed_forward.gate", "mlp.gate_proj", "ffn_gate"),
    ("feed_forward.inner", "mlp.up_proj", "ffn_up"),
    ("feed_forward.outer", "mlp.down_proj", "ffn_down"),
]
NORMS = [
    ("self_attention_add_norm.norm", "input_layernorm", "attn_norm"),
    ("feed_forward_add_norm.norm", "post_attention_layernorm", "ffn_norm"),
]


def read(folder):
    """The configuration and the parameters of a folder of ours."""
    with open(f"{folder}/config.toml", "rb") as file:
        config = tomllib.load(file)["model"]
    return config, load_file(f"{folder}/model.safetensors")


def settings(config):
    """The configuration as `LlamaConfig` has it."""
    return {
        "vocab_size": config["vocab_size"],
        "hidden_size": config["d_model"],
        "intermediate_size": config["d_ff"],
        "num_hidden_layers": config["n_layers"],
        "num_attention_heads": config["n_heads"],
        "num_key_value_heads": config["n_kv_heads"],
        "rms_norm_eps": config["epsilon"],
        "rope_theta": config["positions"]["rotary"]["theta"],
        "tie_word_embeddings": True,
    }


def tensors(config, weights):
    """Each of our tensors as theirs is, with both of their names."""
    yield "model.embed_tokens.weight", "token_embd.weight", weights["embedding.weight"]
    yield "model.norm.weight", "output_norm.weight", weights["decoder.norm.gamma"]
    for n in range(config["n_layers"]):
        ours, theirs, gguf = f"decoder.layers.{n}", f"model.layers.{n}", f"blk.{n}"
        for own, their, short in NORMS:
            yield f"{theirs}.{their}.weight", f"{gguf}.{short}.weight", weights[f"{ours}.{own}.gamma"]
        for own, their, short in MAPS:
            yield f"{theirs}.{their}.weight", f"{gguf}.{short}.weight", weights[f"{ours}.{own}.weight"].T.copy()
