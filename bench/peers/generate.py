"""The peers' side of `cargo xtask bench generate`: the same weights and prompts, continued greedily together.

Usage: generate.py ctranslate2|llama.cpp MODEL PROMPTS BATCH TOKENS THREADS, where MODEL is what the peer's converter
wrote and PROMPTS a file of rows of ids of one length, the first BATCH of which are read. The last id of the vocabulary,
which ends a text, is never written.
"""

import json
import sys
import time

from worker import serve


def with_ctranslate2(model, prompts, n_tokens, threads):
    import ctranslate2

    generator = ctranslate2.Generator(model, device="cpu", inter_threads=1, intra_threads=threads)
    prompts = [[str(id) for id in prompt] for prompt in prompts]

    def write(on_token):
        results = generator.generate_batch(
            prompts, beam_size=1, sampling_topk=1, min_length=n_tokens, max_length=n_tokens,
            include_prompt_in_result=False, callback=lambda _: on_token())
        return [[int(token) for token in result.sequences[0]] for result in results]

    return {"ctranslate2": ctranslate2.__version__, "compute_type": generator.compute_type}, write


def with_llama_cpp(model, prompts, n_tokens, threads):
    import llama_cpp as llama
    import numpy as np

    @llama.llama_log_callback
    def silent(*_):
        pass

    llama.llama_log_set(silent, None)
    llama.llama_backend_init()
    model = llama.llama_model_load_from_file(model.encode(), llama.llama_model_default_params())
    n_vocab = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(model))
    n_rows, len_prompt = len(prompts), len(prompts[0])
    settings = llama.llama_context_default_params()
    settings.n_ctx = n_rows * (len_prompt + n_tokens)
    settings.n_batch = settings.n_ubatch = n_rows * len_prompt
    settings.n_seq_max = n_rows
    settings.n_threads = settings.n_threads_batch = threads
    # A cache of f32, as the others have.
    settings.type_k = settings.type_v = llama.GGML_TYPE_F32
    context = llama.llama_init_from_model(model, settings)
    batch = llama.llama_batch_init(n_rows * len_prompt, 0, 1)

    def read(rows, first):
        """The most probable token after each row, whose tokens stand from position `first` on."""
        ends = []
        batch.n_tokens = 0
        for row, tokens in enumerate(rows):
            for at, token in enumerate(tokens):
                n = batch.n_tokens
                batch.token[n], batch.pos[n] = token, first + at
                batch.n_seq_id[n], batch.seq_id[n][0] = 1, row
                batch.logits[n] = at == len(tokens) - 1
                batch.n_tokens += 1
            ends.append(batch.n_tokens - 1)
        if llama.llama_decode(context, batch) != 0:
            raise RuntimeError("llama_decode failed")
        logits = (np.ctypeslib.as_array(llama.llama_get_logits_ith(context, end), (n_vocab,)) for end in ends)
        return [int(of_row[:-1].argmax()) for of_row in logits]

    def write(on_token):
        llama.llama_memory_clear(llama.llama_get_memory(context), False)
        written = [[] for _ in prompts]
        rows, first = prompts, 0
        for _ in range(n_tokens):
            tokens = read(rows, first)
            on_token()
            first += len(rows[0])
            rows = [[token] for token in tokens]
            for text, token in zip(written, tokens):
                text.append(token)
        return written

    return {"llama_cpp_python": llama.__version__}, write


def main():
    peer, model, path, batch, n_tokens, threads = sys.argv[1:]
    with open(path) as file:
        prompts = json.load(file)[:int(batch)]
    sides = {"ctranslate2": with_ctranslate2, "llama.cpp": with_llama_cpp}
    about, write = sides[peer](model, prompts, int(n_tokens), int(threads))

    def run_round():
        started = time.perf_counter()
        first = []

        def on_token():
            if not first:
                first.append(time.perf_counter() - started)
            return False

        texts = write(on_token)
        return sum(map(len, texts)), {"first_seconds": first[0], "targets": texts}

    serve(about, run_round)


main()
