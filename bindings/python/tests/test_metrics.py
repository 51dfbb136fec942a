"""Scores, held against sacreBLEU."""

import pytest
from attentive import metrics

HYPOTHESES = ["The ferry leaves at noon.", "Nobody had told us.", "the cat 's hat , 東京 !"]
REFERENCES = [
    ["The ferry sails at noon.", "Nobody had told us that.", "The cat's hat, 東京!"],
    ["At noon the ferry sails.", "We had not been told.", "the hat of the cat, Tokyo!"],
]


def test_scores_equal_those_of_sacrebleu():
    sacrebleu = pytest.importorskip("sacrebleu")
    for references in [REFERENCES, REFERENCES[:1]]:
        for tokenizer in ["13a", "intl", "zh", "char", "none"]:
            for lowercase in [False, True]:
                theirs = sacrebleu.BLEU(tokenize=tokenizer, lowercase=lowercase)
                expected = theirs.corpus_score(HYPOTHESES, references)
                found = metrics.bleu(HYPOTHESES, references, tokenizer=tokenizer, lowercase=lowercase)
                assert found.score == pytest.approx(expected.score, abs=1e-9)
                assert found.signature.rsplit("|", 1)[0] == str(theirs.get_signature()).rsplit("|", 1)[0]
                assert str(found) == str(expected)
        for word_order in [0, 2]:
            theirs = sacrebleu.CHRF(word_order=word_order)
            expected = theirs.corpus_score(HYPOTHESES, references)
            found = metrics.chrf(HYPOTHESES, references, word_order=word_order)
            assert found.score == pytest.approx(expected.score, abs=1e-9)
            assert str(found) == str(expected)


def test_one_list_of_references_is_one_stream():
    one, same = metrics.bleu(HYPOTHESES, REFERENCES[0]), metrics.bleu(HYPOTHESES, REFERENCES[:1])
    assert (one.score, one.signature) == (same.score, same.signature)
    assert float(one) == one.score and one.name == "BLEU" and one.line == str(one)


def test_errors():
    for hypotheses, references in [([], []), (["a"], []), (["a"], ["a", "b"]), (["a"], [["a"], []])]:
        with pytest.raises(ValueError):
            metrics.bleu(hypotheses, references)
    with pytest.raises(ValueError, match="tokenizer"):
        metrics.bleu(["a"], ["a"], tokenizer="spm")
    with pytest.raises(ValueError, match="smoothing"):
        metrics.bleu(["a"], ["a"], smoothing="some")
    for smoothing, value in [("exp", 0.3), ("floor", -1)]:
        with pytest.raises(ValueError, match="smoothing value"):
            metrics.bleu(["a"], ["a"], smoothing=smoothing, smoothing_value=value)
    with pytest.raises(ValueError):
        metrics.chrf(["a"], ["a"], char_order=0)
    for texts in ["a b", [b"a"]]:
        with pytest.raises(TypeError):
            metrics.bleu(texts, ["a"])
