"""Writes the goldens of attentive-metrics: the scores of sacreBLEU on the texts in corpora.py.

    pip install -r requirements.txt && python generate.py
"""

import itertools
import json
import logging
import re
import sys
from pathlib import Path

import sacrebleu
from sacrebleu.metrics import BLEU, CHRF, TER
from sacrebleu.metrics.bleu import _get_tokenizer
from sacrebleu.significance import PairedTest

sys.dont_write_bytecode = True  # no __pycache__ next to the goldens
from corpora import CORPORA

assert sacrebleu.__version__ == "2.6.0"
logging.disable(logging.WARNING)


def score(metric, corpus: dict, n_refs: int) -> dict:
    """The corpus score of a metric, its signature, and the scores of the single segments."""
    hypotheses, references = corpus["hypotheses"], corpus["references"][:n_refs]
    result = metric.corpus_score(hypotheses, references)
    signature = metric.get_signature()
    segments = zip(hypotheses, zip(*references))
    return {
        "score": result.score,
        "line": str(result),
        "signature": signature.format(),
        "short": signature.format(short=True),
        "sentences": [metric.sentence_score(hyp, list(refs)).score for hyp, refs in segments],
    }


def cases(make, grid: list[dict], corpora: list[str], n_refs: list[int]) -> list[dict]:
    return [
        {"corpus": name, "n_refs": n, "options": options, **score(make(**options), CORPORA[name], n)}
        for name, n, options in itertools.product(corpora, n_refs, grid)
    ]


def grid(**choices) -> list[dict]:
    return [dict(zip(choices, values)) for values in itertools.product(*choices.values())]


def bleu() -> list[dict]:
    tokenizers = ["13a", "intl", "zh", "char", "none"]
    smoothing = [
        {"smooth_method": method, "smooth_value": value}
        for method, value in [
            ("exp", None), ("floor", None), ("floor", 0.375), ("add-k", None), ("add-k", 0.5), ("add-k", 2), ("none", None),
        ]
    ]
    orders = [{"effective_order": True}, {"max_ngram_order": 2}, {"max_ngram_order": 6, "effective_order": True}]
    short = ["european", "nothing"]
    texts = ["european", "chinese", "japanese", "odd"]
    return [
        *cases(BLEU, grid(tokenize=tokenizers, lowercase=[False, True]), texts, [1, 2]),
        *cases(BLEU, [{**s, **o} for s in smoothing for o in [{}, *orders]], short, [1, 2]),
        *cases(BLEU, [{}], ["shuffled", "long"], [1, 3]),
    ]


def chrf() -> list[dict]:
    options = grid(word_order=[0, 2], lowercase=[False, True], whitespace=[False, True], eps_smoothing=[False, True])
    rest = [{"beta": 1}, {"beta": 3, "word_order": 1}, {"char_order": 3}, {"char_order": 0, "word_order": 3}]
    texts = ["european", "chinese", "odd", "nothing"]
    return [
        *cases(CHRF, options, texts, [1, 2]),
        *cases(CHRF, rest, ["european", "nothing"], [1, 2]),
        *cases(CHRF, [{"word_order": 2}], ["shuffled", "long"], [1, 3]),
    ]


def ter() -> list[dict]:
    switches = ["normalized", "no_punct", "asian_support", "case_sensitive"]
    options = grid(**{switch: [False, True] for switch in switches})
    texts = ["european", "chinese", "japanese", "odd"]
    return [
        *cases(TER, options, texts, [1, 2]),
        *cases(TER, [{}], ["nothing"], [1, 2]),
        *cases(TER, [{}], ["shuffled"], [1, 2, 3]),
        *cases(TER, [{}], ["long"], [2]),
    ]


def varying() -> list[dict]:
    """Scores of a corpus in which every other segment has one reference only."""
    first, second = CORPORA["european"]["references"]
    references = [first, [line if idx % 2 else None for idx, line in enumerate(second)]]
    out = []
    for metric in [BLEU(), CHRF(), TER()]:
        score = metric.corpus_score(CORPORA["european"]["hypotheses"], references)
        out.append({"line": str(score), "signature": metric.get_signature().format()})
    return out


def paper_bleu() -> list[dict]:
    """Scores of text as it is, compounds split or not, in multi-bleu.perl's words."""

    def split(line: str) -> str:
        return re.sub(rb"(\S)-(\S)", rb"\1 ##AT##-##AT## \2", line.encode()).decode()

    out = []
    for (name, n_refs), compounds in itertools.product([("european", 1), ("european", 2), ("shuffled", 3)], [False, True]):
        prepare = split if compounds else str
        hypotheses = [prepare(line) for line in CORPORA[name]["hypotheses"]]
        references = [[prepare(line) for line in stream] for stream in CORPORA[name]["references"][:n_refs]]
        bleu = BLEU(tokenize="none", smooth_method="none", force=True).corpus_score(hypotheses, references)
        precisions = "/".join(f"{p:.1f}" for p in bleu.precisions)
        line = f"BLEU = {bleu.score:.2f}, {precisions} (BP={bleu.bp:.3f}, ratio={bleu.ratio:.3f}, hyp_len={bleu.sys_len}, ref_len={bleu.ref_len})"
        out.append({"corpus": name, "n_refs": n_refs, "split_compounds": compounds, "score": bleu.score, "line": line})
    return out


def tokenize() -> list[dict]:
    """The tokens of every line of the awkward corpora."""
    names = ["european", "chinese", "japanese", "odd"]
    lines = [line.rstrip() for name in names for stream in CORPORA[name]["references"] for line in stream]
    lines += [line.rstrip() for name in names for line in CORPORA[name]["hypotheses"]]
    tokenizers = {name: _get_tokenizer(name)() for name in ["13a", "intl", "zh", "char"]}
    return [
        {"tokenizer": name, "line": line, "tokens": tokenizer(line).split()}
        for name, tokenizer in tokenizers.items()
        for line in dict.fromkeys(lines)
    ]


def significance() -> list[dict]:
    """Paired tests and single confidence intervals of two systems."""
    metrics = {
        "bleu": (BLEU, {}),
        "bleu-floor": (BLEU, {"smooth_method": "floor"}),
        "bleu-add-k": (BLEU, {"smooth_method": "add-k"}),
        "chrf": (CHRF, {}),
        "chrf-eps": (CHRF, {"word_order": 2, "eps_smoothing": True}),
        "ter": (TER, {}),
    }
    tests = [("bs", 1000, -1), ("bs", 7, -1), ("ar", 1000, -1), ("ar", 100, 50)]
    texts = [("shuffled", 1), ("shuffled", 3), ("european", 2), ("nothing", 1)]
    out = []
    for (name, n_refs), (metric, (cls, options)) in itertools.product(texts, metrics.items()):
        hypotheses, other = CORPORA[name]["hypotheses"], CORPORA[name]["other"]
        references = CORPORA[name]["references"][:n_refs]
        key = {"corpus": name, "n_refs": n_refs, "metric": metric}
        for test, n_samples, n_confidence in tests:
            if test == "ar" and cls is TER and n_refs == 3:
                continue  # ties are decided by the order in which this machine's BLAS adds thirds
            systems = [("baseline", hypotheses), ("system", other)]
            paired = PairedTest(systems, {metric: cls(**options)}, references, test, n_samples, n_confidence)
            [signature], [results] = [list(d.values())[-1:] for d in paired()]
            out.append({
                **key, "test": test, "n_samples": n_samples, "n_confidence": max(n_confidence, 0),
                "signature": signature.format(), "p_value": results[1].p_value,
                "intervals": [r.mean if r.mean is None else [float(r.mean), float(r.ci)] for r in results],
            })
        scorer = cls(**options)
        try:
            single = scorer.corpus_score(other, references, n_bootstrap=200)
        except TypeError:  # sacreBLEU cannot average float32 and float
            continue
        interval = [float(single._mean), float(single._ci)]
        out.append({**key, "test": "single", "n_samples": 200, "signature": scorer.get_signature().format(), "intervals": [interval]})
    return out


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for make in (bleu, chrf, ter, varying, paper_bleu, tokenize, significance):
        lines = (json.dumps(case, separators=(",", ":")) for case in make())
        (folder / f"{make.__name__}.json").write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
    (folder / "corpora.json").write_text(json.dumps(CORPORA, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
