"""Writes the goldens of heads on encoders: tiny BERTs and RoBERTas of transformers that tag tokens, find answers, classify
pairs and score them, and what is made of their scores.

    pip install -r requirements.txt && python generate_heads.py OUT_DIR
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import CrossEncoder
from transformers import (
    BertConfig, BertForQuestionAnswering, BertForSequenceClassification, BertForTokenClassification, RobertaConfig,
    RobertaForQuestionAnswering, RobertaForSequenceClassification, RobertaForTokenClassification, logging, pipeline,
)  # fmt: skip

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from generate_encoders import byte_level, rounded, wordpiece
from torch_golden import named, write

TAGS = ["O", "B-ANI", "I-ANI", "B-STR", "I-STR", "MISC"]
LONG = "the animal was too tired, the street was wide: an end! an unknown animal was naïve, THE END. "
TEXTS = [
    "the animal was too tired", "The STREET,  naïve: wide!", "an ☃ unknown end", " naïve end ", "a", "", "!?",
    "the animal's end — wide-street café", "中 the street", LONG * 2,
]  # fmt: skip
QUESTIONS = ["the animal was too tired", "wide?", "naïve ☃"]
PAIRS = [
    ["the animal", "the street was wide"], ["naïve", "an unknown end!"], ["a", ""], ["", "the end"], ["The STREET", "the street"],
]  # fmt: skip
SIZES = dict(hidden_size=6, num_hidden_layers=2, num_attention_heads=2, intermediate_size=7)


def folder_of(out: Path, name: str, model_class, scale: float = 1.0, as_json=False, positions: int = 64, **settings):
    """A folder as `save_pretrained` writes it, the model and the tokenizer."""
    folder = out / name
    folder.mkdir(exist_ok=True)
    is_bert = name.startswith("bert")
    tokenizer = wordpiece(folder, True, as_json) if is_bert else byte_level(folder, as_json)
    config = (BertConfig if is_bert else RobertaConfig)(
        vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, type_vocab_size=2 if is_bert else 1,
        max_position_embeddings=positions + (0 if is_bert else 2), **SIZES, **settings,
    )  # fmt: skip
    model = model_class(config).eval()
    for key, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            # Small biases, so that vectors differ from token to token.
            of_weight = scale if key.startswith(("classifier", "qa_outputs")) else 0.8
            size = 0.1 if key.endswith("bias") else of_weight
            tensor.copy_(named(key, *tensor.shape, scale=size, offset=float("norm.weight" in key.lower())).float())
    model.save_pretrained(str(folder))
    (folder / "generation_config.json").unlink(missing_ok=True)
    written = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(written, indent=1, sort_keys=True) + "\n")
    return folder, model, tokenizer


def tagger(out: Path, name: str, model_class, **how) -> None:
    labels = dict(enumerate(TAGS))
    folder, model, tokenizer = folder_of(out, name, model_class, scale=3.0, id2label=labels, label2id={v: k for k, v in labels.items()}, **how)
    strategies = ["none", "simple", "first", "average", "max"]
    cases = []
    for text in TEXTS:
        encoded = tokenizer(text, return_tensors="pt")
        if encoded["input_ids"].shape[1] > 64:
            continue
        with torch.no_grad():
            logits = model(**encoded).logits
        tags = {}
        for strategy in strategies:
            tag = pipeline("token-classification", model=model, tokenizer=tokenizer, aggregation_strategy=strategy)
            found = tag(text) if encoded["input_ids"].shape[1] > 2 else []
            tags[strategy] = [
                {"label": one.get("entity_group", one.get("entity")), "score": rounded([one["score"]])[0], "start": one["start"], "end": one["end"]}
                for one in found
            ]
        cases.append({"text": text, "ids": encoded["input_ids"][0].tolist(), "tags": tags, "tensors": {"logits": rounded(logits)}})
    write(folder / "outputs.json", cases)


def soft_max(scores: np.ndarray) -> np.ndarray:
    weights = np.exp(scores - scores.max())
    return weights / weights.sum()


def answers(model, tokenizer, question: str, context: str, top_k: int, window: int, stride: int, longest: int, none: bool) -> list:
    """What the pipeline `question-answering` of transformers 4 answered, which version 5 does not have: from logits, by its
    rules, written for this file."""
    parts = tokenizer(
        question, context, truncation="only_second", max_length=window, stride=stride, return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )  # fmt: skip
    known, order, least = {}, [], float("inf")
    for part in range(len(parts["input_ids"])):
        inputs = {key: torch.tensor([parts[key][part]]) for key in tokenizer.model_input_names}
        with torch.no_grad():
            found = model(**inputs)
        of = parts.sequence_ids(part)
        allowed = [at for at, side in enumerate(of) if side == 1 or at == 0]
        first, last = (soft_max(logits[0].double().numpy()[allowed]) for logits in (found.start_logits, found.end_logits))
        least = min(least, float(first[0] * last[0]))
        spans = [
            (first[i] * last[j], allowed[i], allowed[j])
            for i in range(1, len(allowed)) for j in range(i, min(i + longest, len(allowed)))
        ]  # fmt: skip
        for score, i, j in sorted(spans, key=lambda span: -span[0])[: 2 * top_k + 10]:
            start, _ = parts.word_to_chars(part, parts.token_to_word(part, i), sequence_index=1)
            _, end = parts.word_to_chars(part, parts.token_to_word(part, j), sequence_index=1)
            key = context[start:end].lower()
            if key not in known:
                known[key] = [0.0, start, end]
                order.append(key)
            known[key][0] += score
    all_answers = [known[key] for key in order] + ([[least, 0, 0]] if none else [])
    best = sorted(all_answers, key=lambda answer: -answer[0])[:top_k]
    return [{"score": rounded([score])[0], "start": start, "end": end} for score, start, end in best]


def reader(out: Path, name: str, model_class, **how) -> None:
    folder, model, tokenizer = folder_of(out, name, model_class, scale=4.0, **how)
    cases = []
    for question in QUESTIONS:
        for context in [text for text in TEXTS if text.strip()]:
            for settings in [(1, 64, 32, 15, False), (4, 40, 6, 3, True), (3, 48, 5, 15, False)]:
                top_k, window, stride, longest, none = settings
                if len(tokenizer(question)["input_ids"]) + stride + 3 >= window:
                    continue
                found = answers(model, tokenizer, question, context, *settings)
                case = dict(question=question, context=context, top_k=top_k, window=window, stride=stride, longest=longest, none=none)
                cases.append(case | {"answers": found})
    encoded = tokenizer(QUESTIONS[0], TEXTS[1], return_tensors="pt")
    with torch.no_grad():
        found = model(**encoded)
    logits = torch.stack([found.start_logits[0], found.end_logits[0]], dim=1)
    tensors = {"ids": encoded["input_ids"][0].tolist(), "tensors": {"logits": rounded(logits)}}
    write(folder / "outputs.json", [{"answers": cases, **tensors}])


def pairs(out: Path, name: str, model_class, **how) -> None:
    """Classes of pairs, and of pairs that are cut to few tokens; of one label, the scores of a cross-encoder."""
    labels, positions = how.pop("labels"), 24 if name.startswith("bert") else 64
    named_labels = dict(enumerate(labels))
    folder, model, tokenizer = folder_of(
        out, name, model_class, scale=2.0, positions=positions, id2label=named_labels, label2id={v: k for k, v in named_labels.items()}, **how
    )
    logits, cut = [], []
    long = [[text, LONG] for text in TEXTS[:2]] + [[LONG, "the end"], [LONG, LONG]]
    for some, all_logits in [(PAIRS, logits), (long, cut)]:
        for first, second in some:
            # A list of pairs, since an empty second text alone is taken for none.
            encoded = tokenizer([(first, second)], return_tensors="pt", truncation=True, max_length=positions)
            with torch.no_grad():
                all_logits.append(rounded(model(**encoded).logits))
    case = {"pairs": PAIRS, "logits": logits, "long": long, "cut": cut}
    if len(labels) == 1:
        case["scores"] = rounded(CrossEncoder(str(folder), device="cpu").predict(PAIRS))
    write(folder / "outputs.json", [case])


if __name__ == "__main__":
    out = Path(sys.argv[1])
    torch.set_num_threads(1)
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    tagger(out, "bert-tags", BertForTokenClassification)
    tagger(out, "roberta-tags", RobertaForTokenClassification, as_json=True)
    reader(out, "bert-answers", BertForQuestionAnswering, as_json=True)
    reader(out, "roberta-answers", RobertaForQuestionAnswering)
    pairs(out, "bert-pairs", BertForSequenceClassification, labels=["no", "yes", "maybe"])
    pairs(out, "roberta-pairs", RobertaForSequenceClassification, labels=["no", "yes", "maybe"], as_json=True)
    pairs(out, "bert-rank", BertForSequenceClassification, labels=["LABEL_0"])
    pairs(out, "roberta-rank", RobertaForSequenceClassification, labels=["LABEL_0"])
