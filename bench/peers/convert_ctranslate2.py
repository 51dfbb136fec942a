"""CTranslate2's form of a model: what `cargo xtask bench` runs once before its workers start.

Usage: convert_ctranslate2.py FOLDER OUT f32|int8, where FOLDER is what `attentive-bench prepare` writes: the model as
transformers has it in `transformers`, or, of Llama's family, ours in `f32`.
"""

import os
import sys

import torch
from ctranslate2.converters import TransformersConverter
from transformers import LlamaConfig, LlamaForCausalLM

import llama


class Ids:
    """A tokenizer whose tokens are named by their ids: the workers read and write ids."""

    def __init__(self, names, begin, end):
        self.names = names
        self.bos_token = self.pad_token = self.unk_token = names[begin]
        self.eos_token = names[end]

    def get_vocab(self):
        return {name: id for id, name in enumerate(self.names)}

    def convert_ids_to_tokens(self, id):
        return self.names[id]


class Converter(TransformersConverter):
    """Reads the model alone, without a tokenizer."""

    def load_model(self, model_class, folder, **kwargs):
        self.config = kwargs["config"]
        if self.config.model_type == "bert":
            # The converter asks for it, and transformers 5 does not have it any more.
            self.config.position_embedding_type = "absolute"
        if self.config.model_type == "t5":
            # As `bench/src/decode.rs` has it.
            self.config.decoder_start_token_id = 0
        return model_class.from_pretrained(folder, **kwargs)

    def load_tokenizer(self, tokenizer_class, folder, **kwargs):
        names = [str(id) for id in range(self.config.vocab_size)]
        if self.config.model_type == "t5":
            return Ids(names, begin=0, end=1)
        if self.config.model_type == "marian":
            # The converter leaves its padding out, the last entry, and translations begin with zeros instead.
            return Ids([*names[:-1], "<pad>"], begin=-1, end=0)
        return Ids(names, begin=-1, end=-1)


def write_llama(folder, out):
    """Writes our parameters as `LlamaForCausalLM` has them."""
    config, weights = llama.read(folder)
    model = LlamaForCausalLM(LlamaConfig(**llama.settings(config)))
    state = {name: torch.from_numpy(tensor) for name, _, tensor in llama.tensors(config, weights)}
    missing, unexpected = model.load_state_dict(state, strict=False)
    if missing != ["lm_head.weight"] or unexpected:
        raise ValueError(f"missing {missing}, unexpected {unexpected}")
    model.save_pretrained(out)


def main():
    folder, out, precision = sys.argv[1:]
    source = os.path.join(folder, "transformers")
    if not os.path.isdir(source):
        write_llama(os.path.join(folder, "f32"), source)
    Converter(source).convert(out, quantization={"f32": None, "int8": "int8"}[precision])


main()
