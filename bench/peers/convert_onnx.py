"""ONNX Runtime's form of an encoder: what `cargo xtask bench` runs once before its workers start.

Usage: convert_onnx.py FOLDER OUT f32|int8, where FOLDER is what `attentive-bench prepare` writes.
"""

import os
import sys

import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from transformers import BertModel


class Encoder(torch.nn.Module):
    """The vectors of tokens, without the pooler."""

    def __init__(self, folder):
        super().__init__()
        self.model = BertModel.from_pretrained(folder, attn_implementation="eager").eval()

    def forward(self, input_ids, attention_mask):
        return self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state


def main():
    folder, out, precision = sys.argv[1:]
    os.makedirs(out)
    whole = os.path.join(out, "model.onnx" if precision == "f32" else "whole.onnx")
    # Of two rows and eight columns, as a size of 1 would be taken for a constant.
    inputs = (torch.zeros(2, 8, dtype=torch.long), torch.ones(2, 8, dtype=torch.long))
    axes = {0: torch.export.Dim("rows"), 1: torch.export.Dim("columns", max=512)}
    torch.onnx.export(
        Encoder(f"{folder}/transformers"), inputs, whole, input_names=["input_ids", "attention_mask"],
        output_names=["hidden"], dynamic_shapes=(axes, axes), dynamo=True, external_data=False)
    if precision == "int8":
        quantize_dynamic(whole, os.path.join(out, "model.onnx"), weight_type=QuantType.QInt8)
        os.remove(whole)


main()
