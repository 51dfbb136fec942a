"""Imports a GGUF file and compares greedy continuations with llama.cpp's, token by token.

    pip install llama-cpp-python && cargo build --release --package attentive-cli
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

ALLOWED = 0.5
N_TOKENS = 64
PROMPTS = [
    "The capital of France is", "Once upon a time", "def fibonacci(n):", "Water boils at", "The animal didn't cross the street because",
    "In 1969, two astronauts", "To bake bread, you need", "The opposite of hot is", "Attention is all you need because", "Die Hauptstadt von",
]  # fmt: skip


def main() -> None:
    model = Path(sys.argv[1])
    attentive = Path(sys.argv[2] if len(sys.argv) > 2 else "target") / "release/attentive"
    llama = llama_cpp.Llama(str(model), n_ctx=512, logits_all=True, verbose=False, n_threads=2)
    worst, n_equal = 0.0, 0
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([attentive, "import", model, "--out", f"{folder}/model"], check=True, capture_output=True)
        for prompt in PROMPTS:
            command = [attentive, "generate", "--model", f"{folder}/model", "--temperature", "0", "--max-tokens", str(N_TOKENS), "--no-prompt", prompt]
            ours = subprocess.run(command, check=True, capture_output=True, text=True).stdout.removesuffix("\n")
            begins = llama.metadata.get("tokenizer.ggml.add_bos_token", "true") == "true"
            ids = llama.tokenize(prompt.encode(), add_bos=begins, special=False)
            theirs = []
            llama.reset()
            llama.eval(ids)
            for _ in range(N_TOKENS):
                logits = llama.scores[llama.n_tokens - 1]
                token = int(np.argmax(logits))
                if token == llama.token_eos():
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
    print(f"{n_equal} of {len(PROMPTS)} equal; where texts part, llama.cpp's logits are at most {worst:.3f} apart")
    sys.exit(worst > ALLOWED)


if __name__ == "__main__":
    main()
