"""Writes bert.json: what the BERT and RoBERTa of transformers say with random parameters, which stand by our names.

    pip install -r requirements.txt && python generate_bert.py OUT_DIR
"""

import json
import re
import sys
from pathlib import Path

import torch
from transformers import BertConfig, BertForPreTraining, RobertaConfig, RobertaForMaskedLM

SIZES = dict(vocab_size=13, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=12, attn_implementation="eager")
PAD = 1
IDS = [[2, 7, 4, 9, 3, 12, 3], [2, 11, 4, 3, PAD, PAD, PAD]]
LENGTHS = [7, 4]
SEGMENTS = [[0, 0, 0, 0, 0, 1, 1], [0, 0, 0, 0, 0, 0, 0]]

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


def ours(name: str) -> str:
    for pattern, replacement in NAMES:
        name = re.sub(pattern, replacement, name)
    return name


def case(model) -> dict:
    """Parameters of ordinary size everywhere, and logits without dropout."""
    generator = torch.Generator().manual_seed(1)
    model.eval()
    params = {}
    for name, param in model.named_parameters():
        values = torch.randn(param.shape, generator=generator).mul(0.5).mul(1024).round().div(1024)
        param.data.copy_(values)
        name = ours(name)
        is_map = values.dim() == 2 and name not in ("embedding.weight", "positions.weight", "segments.weight")
        values = values.T if is_map else values
        params[name] = {"shape": list(values.shape), "values": values.flatten().tolist()}
    mask = torch.tensor([[int(at < n) for at in range(7)] for n in LENGTHS])
    segments = torch.tensor(SEGMENTS) if model.config.type_vocab_size > 1 else torch.zeros(2, 7, dtype=torch.long)
    out = model(input_ids=torch.tensor(IDS), attention_mask=mask, token_type_ids=segments)
    logits = out.prediction_logits if "prediction_logits" in out else out.logits
    rows = [logits[row, :n].flatten().tolist() for row, n in enumerate(LENGTHS)]
    follows = out.seq_relationship_logits.flatten().tolist() if "seq_relationship_logits" in out else []
    return {"params": params, "token_logits": sum(rows, []), "next_sentence_logits": follows}


bert = BertForPreTraining(BertConfig(max_position_embeddings=9, **SIZES))
roberta = RobertaForMaskedLM(RobertaConfig(max_position_embeddings=11, type_vocab_size=1, pad_token_id=PAD, layer_norm_eps=1e-5, **SIZES))
with torch.no_grad():
    cases = {"bert": case(bert), "roberta": case(roberta)}
(Path(sys.argv[1]) / "bert.json").write_text(json.dumps(cases, separators=(",", ":")) + "\n")
