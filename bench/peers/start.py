"""CTranslate2's side of `cargo xtask bench start`: a model is loaded and gives its first token or vector.

Usage: start.py generate|embed MODEL TOKENS THREADS, where MODEL is what convert_ctranslate2.py wrote; TOKENS tokens are
read. Prints the seconds from the end of Python's imports on.
"""

import json
import sys
import time

import ctranslate2
import numpy as np

started = time.perf_counter()
task, model, n_tokens, threads = sys.argv[1:]
ids = range(5, 5 + int(n_tokens))
settings = {"device": "cpu", "inter_threads": 1, "intra_threads": int(threads)}
if task == "generate":
    generator = ctranslate2.Generator(model, **settings)
    generator.generate_batch([[str(id) for id in ids]], beam_size=1, sampling_topk=1, max_length=1)
else:
    np.array(ctranslate2.Encoder(model, **settings).forward_batch([list(ids)]).last_hidden_state).mean(1)
print(json.dumps({"seconds": time.perf_counter() - started, "ctranslate2": ctranslate2.__version__}))
