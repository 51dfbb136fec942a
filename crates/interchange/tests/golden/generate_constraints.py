"""Writes what CTranslate2 finds with prefixes that are preferred or forced, by a model that `generate_translators.py` writes.

    pip install -r requirements-constraints.txt && python generate_constraints.py OUT_DIR
"""

import json
import sys
from pathlib import Path

import ctranslate2

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "testkit/golden"))
from torch_golden import write

NAME = "ctranslate2-of-marian-npz-float32"
PREFIXES = {"das Tier war": ["▁das", "▁Tier", "▁war"], "ein": ["▁ein"]}
# Far from where two tokens are as good: CTranslate2 mixes probabilities that sum to 1 without <unk>.
BETAS = [0.03, 0.09, 0.1145, 0.13, 0.3]
N_ALTERNATIVES = 5

if __name__ == "__main__":
    cases = json.loads((HERE / "translators.json").read_text())
    given = next(case for case in cases if case["name"] == NAME)
    translator = ctranslate2.Translator(str(HERE / NAME), compute_type="float32", inter_threads=1, intra_threads=1)
    common = {"beam_size": 1, "max_decoding_length": 12, "disable_unk": True}

    def found(prefix: list, **options) -> list:
        prefixes = [prefix] * len(given["sources"])
        results = translator.translate_batch(given["sources"], target_prefix=prefixes, **common, **options)
        return [result.hypotheses for result in results]

    cases = []
    for text, pieces in PREFIXES.items():
        case = {"name": NAME, "texts": given["texts"], "prefix": text}
        for beta in BETAS:
            cases.append(case | {"beta": beta, "translations": found(pieces, prefix_bias_beta=beta)})
        # After a longer prefix, the scores of its alternatives are not those that it gives the same texts by themselves.
        if len(pieces) == 1:
            alternatives = found(pieces, num_hypotheses=N_ALTERNATIVES, return_alternatives=True)
            cases.append(case | {"alternatives": N_ALTERNATIVES, "translations": alternatives})
    write(Path(sys.argv[1]) / "constraints.json", cases)
