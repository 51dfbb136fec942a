"""Writes bert.json: what the BERT and RoBERTa of transformers compute with our parameters, by our names.

    pip install -r requirements.txt && python generate_bert.py OUT_DIR
"""

import re
import sys
from pathlib import Path

import torch
from torch.func import functional_call
from transformers import BertConfig, BertForPreTraining, RobertaConfig, RobertaForMaskedLM

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "testkit/golden"))
from torch_golden import golden, gradients, leaf, named, write

SIZES = dict(
    vocab_size=13, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=12, attn_implementation="eager",
    hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
)  # fmt: skip
PAD = 1
IDS = torch.tensor([[2, 7, 4, 9, 3, 12, 3], [2, 11, 4, 3, PAD, PAD, PAD]])
SEGMENTS = torch.tensor([[0, 0, 0, 0, 0, 1, 1], [0, 0, 0, 0, 0, 0, 0]])
# What was hidden at some of the tokens; -100 elsewhere.
TARGETS = torch.tensor([[-100, -100, 8, 9, -100, 5, -100], [-100, 6, -100, -100, -100, -100, -100]])
FOLLOWS = torch.tensor([0, 1])

NAMES = [
    (r"^(bert|roberta)\.", ""),
    (r"^embeddings\.word_embeddings", "embedding"),
    (r"^embeddings\.position_embeddings", "positions"),
    (r"^embeddings\.token_type_embeddings", "segments"),
    (r"^embeddings\.LayerNorm", "norm"),
    (r"encoder\.layer\.", "encoder.layers."),
    (r"attention\.self\.", "self_attention."),
    (r"attention\.output\.dense", "self_attention.output"),
    (r"attention\.output\.LayerNorm", "self_attention_add_norm.norm"),
    (r"intermediate\.dense", "feed_forward.inner"),
    (r"output\.LayerNorm", "feed_forward_add_norm.norm"),
    (r"(?<!self_attention\.)output\.dense", "feed_forward.outer"),
    (r"^pooler\.dense", "pooler"),
    (r"^(cls\.predictions\.transform|lm_head)\.dense", "masked_lm.dense"),
    (r"^(cls\.predictions\.transform\.LayerNorm|lm_head\.layer_norm)", "masked_lm.norm"),
    (r"^(cls\.predictions|lm_head)\.bias", "masked_lm.bias"),
    (r"^cls\.seq_relationship", "next_sentence"),
    (r"norm\.weight$", "norm.gamma"),
    (r"norm\.bias$", "norm.beta"),
]
TABLES = ["embedding.weight", "positions.weight", "segments.weight"]


def our_name(name: str) -> str:
    for pattern, replacement in NAMES:
        name = re.sub(pattern, replacement, name)
    return name


def case(model) -> dict:
    """Logits at real tokens, the loss as we sum it, and every gradient."""
    model.eval()
    is_bert = isinstance(model, BertForPreTraining)

    def results(dtype: torch.dtype) -> dict:
        ours, theirs = {}, {}
        for name, param in model.named_parameters():
            our = our_name(name)
            is_map = param.dim() == 2 and our not in TABLES
            value = named(our, *(reversed(param.shape) if is_map else param.shape), scale=0.5, offset=float(our.endswith("gamma")))
            ours[our] = leaf(value, dtype)
            theirs[name] = ours[our].T if is_map else ours[our]
        inputs = dict(input_ids=IDS, attention_mask=(IDS != PAD).long(), labels=TARGETS)
        inputs |= dict(token_type_ids=SEGMENTS, next_sentence_label=FOLLOWS) if is_bert else {}
        out = functional_call(model.to(dtype), theirs, kwargs=inputs)
        loss = out.loss * (TARGETS >= 0).sum()
        found = {"tokens": (out.prediction_logits if is_bert else out.logits)[IDS != PAD], "loss": loss.reshape(1)}
        found |= {"next": out.seq_relationship_logits} if is_bert else {}
        return found | gradients([loss], [torch.ones((), dtype=dtype)], ours)

    return golden(results, model="bert" if is_bert else "roberta")


if __name__ == "__main__":
    bert = BertForPreTraining(BertConfig(max_position_embeddings=9, pad_token_id=PAD, **SIZES))
    roberta = RobertaForMaskedLM(RobertaConfig(max_position_embeddings=11, type_vocab_size=1, pad_token_id=PAD, layer_norm_eps=1e-5, **SIZES))
    write(Path(sys.argv[1]) / "bert.json", [case(bert), case(roberta)])
