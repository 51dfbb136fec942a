"""Imports a GGUF file of Llama's architecture and compares greedy continuations: with those of transformers on the values that
the package gguf makes of the blocks, which must be equal, and with llama.cpp's, token by token.

    pip install -r golden/requirements.txt llama-cpp-python && cargo build --release --package attentive-cli
    python check_gguf.py MODEL.gguf [TARGET_FOLDER]

llama.cpp rounds the inputs of products with blocks to 8 bits, and attentive keeps them; so texts may part where two tokens are
about as good. Where they do, llama.cpp's own logits of the two are printed: the check fails if they are further apart than ALLOWED.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import llama_cpp
import numpy as np
import torch
from gguf import GGUFReader
from gguf.quants import dequantize
from transformers import LlamaConfig, LlamaForCausalLM

ALLOWED = 0.5
N_TOKENS = 64
PROMPTS = [
    "The capital of France is", "Once upon a time", "def fibonacci(n):", "Water boils at", "The animal didn't cross the street because",
    "In 1969, two astronauts", "To bake bread, you need", "The opposite of hot is", "Attention is all you need because", "Die Hauptstadt von",
]  # fmt: skip


NAMES = {
    "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
}  # fmt: skip
WHOLE = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight", "output.weight": "lm_head.weight"}


def exact(path: Path) -> LlamaForCausalLM:
    """The model of the file on 32-bit numbers."""
    reader = GGUFReader(path)
    key = lambda name: reader.fields[f"llama.{name}"].contents()  # noqa: E731
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    heads = {"attn_q": key("attention.head_count"), "attn_k": key("attention.head_count_kv")}
    config = LlamaConfig(
        vocab_size=int(tensors["token_embd.weight"].shape[1]), hidden_size=key("embedding_length"),
        intermediate_size=key("feed_forward_length"), num_hidden_layers=key("block_count"), num_attention_heads=heads["attn_q"],
        num_key_value_heads=heads["attn_k"], rms_norm_eps=key("attention.layer_norm_rms_epsilon"),
        tie_word_embeddings="output.weight" not in tensors,
        rope_parameters={"rope_type": "default", "rope_theta": key("rope.freq_base")},
    )  # fmt: skip
    state = {}
    for name, tensor in tensors.items():
        values = dequantize(tensor.data, tensor.tensor_type).astype(np.float32).reshape([int(n) for n in tensor.shape[::-1]])
        part = name.split(".")[2] if name.startswith("blk.") else ""
        if part in heads:  # neighbours turn together there, halves here
            rows = values.shape[0] // heads[part]
            values = values.reshape(heads[part], rows // 2, 2, -1).swapaxes(1, 2).reshape(values.shape)
        theirs = WHOLE.get(name) or f"model.layers.{name.split('.')[1]}.{NAMES[part]}.weight"
        state[theirs] = torch.tensor(np.ascontiguousarray(values))
    model = LlamaForCausalLM(config).eval()
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}
    model.tie_weights()
    return model


def main() -> None:
    model = Path(sys.argv[1])
    attentive = Path(sys.argv[2] if len(sys.argv) > 2 else "target") / "release/attentive"
    llama = llama_cpp.Llama(str(model), n_ctx=512, logits_all=True, verbose=False, n_threads=2)
    reference, worst, n_equal, n_exact = exact(model), 0.0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([attentive, "import", model, "--out", f"{folder}/model"], check=True, capture_output=True)
        for prompt in PROMPTS:
            command = [attentive, "generate", "--model", f"{folder}/model", "--temperature", "0", "--max-tokens", str(N_TOKENS), "--no-prompt", prompt]
            ours = subprocess.run(command, check=True, capture_output=True, text=True).stdout.removesuffix("\n")
            begins = llama.metadata.get("tokenizer.ggml.add_bos_token", "true") == "true"
            ids = llama.tokenize(prompt.encode(), add_bos=begins, special=False)
            with torch.no_grad():
                end = llama.token_eos()
                found = reference.generate(torch.tensor([ids]), do_sample=False, max_new_tokens=N_TOKENS, eos_token_id=end, pad_token_id=end)
            new = [id for id in found[0, len(ids) :].tolist() if id != end]
            n_exact += llama.detokenize(new).decode(errors="replace") == ours
            theirs = []
            llama.reset()
            llama.eval(ids)
            for _ in range(N_TOKENS):
                logits = llama.scores[llama.n_tokens - 1]
                token = int(np.argmax(logits))
                if token == llama.token_eos():
                    n_equal += 1
                    print(f"{prompt!r}: all {len(theirs)} tokens equal, to the end")
                    break
                theirs.append(token)
                text = llama.detokenize(theirs).decode(errors="replace")
                if not ours.startswith(text.rstrip("\N{REPLACEMENT CHARACTER}")):
                    # The token that ours has there instead.
                    before = llama.detokenize(theirs[:-1]).decode(errors="replace")
                    rest = llama.tokenize(ours[len(before) :].encode(), add_bos=False, special=False)
                    gap = float(logits[token] - logits[rest[0]]) if rest else 0.0
                    worst = max(worst, gap)
                    print(f"{prompt!r}: {len(theirs) - 1} tokens equal, then logits {gap:.3f} apart")
                    break
                llama.eval([token])
            else:
                n_equal += 1
                print(f"{prompt!r}: all {N_TOKENS} tokens equal")
    print(f"{n_exact} of {len(PROMPTS)} are those of transformers on 32-bit numbers")
    print(f"{n_equal} of {len(PROMPTS)} equal llama.cpp's; where texts part, llama.cpp's logits are at most {worst:.3f} apart")
    sys.exit(worst > ALLOWED or n_exact < len(PROMPTS))


if __name__ == "__main__":
    main()
