"""Writes folders of small random models of every family that is read, with settings of every kind, and what transformers computes.

    pip install -r requirements.txt && python sweep.py OUT_DIR [NAME…]

Each folder is OUT_DIR/NAME, and OUT_DIR/NAME.json has rows of tokens with their logits and vectors, by the model that
transformers reads from the folder. `cargo xtask golden --check` runs this and then `tests/sweep.rs` over the folders.
"""

import json
import os
import shutil
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import transformers
from generate import t5_pieces, tokenizer as marian_files
from generate_encoders import byte_level, wordpiece
from transformers import (
    BartConfig, BartForConditionalGeneration, BertConfig, BertForMaskedLM, BertForNextSentencePrediction, BertForPreTraining,
    BertForQuestionAnswering, BertForSequenceClassification, BertForTokenClassification, BertModel, CanineConfig,
    CanineForSequenceClassification, CanineModel, DistilBertConfig, DistilBertModel, ElectraConfig, ElectraModel, GPT2Config,
    GPT2ForSequenceClassification, GPT2LMHeadModel, GPT2Model, GPTNeoXConfig, GPTNeoXForCausalLM, LlamaConfig, LlamaForCausalLM,
    MarianConfig, MarianMTModel, MT5Config, MT5ForConditionalGeneration, PegasusConfig, PegasusForConditionalGeneration, RobertaConfig,
    RobertaForMaskedLM, RobertaForSequenceClassification, RobertaModel, T5Config, T5ForConditionalGeneration, XLMRobertaConfig,
    XLMRobertaModel,
)  # fmt: skip

OUTPUTS = {
    "last_hidden_state": "hidden", "pooler_output": "pooled", "prediction_logits": "tokens", "seq_relationship_logits": "next",
}


def bytes_vocabulary(folder: Path) -> int:
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    bytes_ = [chr(byte) for byte in printable] + [chr(256 + n) for n in range(256 - len(printable))]
    vocabulary = [*bytes_, "th", "the", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({token: n for n, token in enumerate(vocabulary)}))
    (folder / "merges.txt").write_text("#version: 0.2\nt h\nth e\n")
    return len(vocabulary)


def t5_files(folder: Path) -> int:
    model = t5_pieces()
    (folder / "spiece.model").write_bytes(model.SerializeToString(deterministic=True))
    return len(model.pieces)


def randomised(model, seed: int = 0):
    """Weights that are neither small nor symmetric."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if not parameter.requires_grad:
                continue  # sinusoids
            noise = torch.randn(parameter.shape, generator=generator)
            is_norm = parameter.ndim == 1 and "bias" not in name
            parameter.copy_(1 + 0.1 * noise if is_norm else 0.3 * noise)
    model.tie_weights()
    return model.eval()


def computed(model, kind: str, n_tokens: int) -> dict:
    """What a model makes of two rows of one length."""
    generator = torch.Generator().manual_seed(1)
    draw = lambda rows, cols: torch.randint(5, min(n_tokens, 250), (rows, cols), generator=generator)
    names = {}
    with torch.no_grad():
        if kind == "seq2seq":
            source, target = draw(2, 6), draw(2, 4)
            target[:, 0] = model.config.decoder_start_token_id
            out = model(input_ids=source, decoder_input_ids=target)
            return {"source": source.tolist(), "rows": target.tolist(), "outputs": {"logits": out.logits.flatten().tolist()}}
        rows = draw(2, 12 if model.config.model_type == "canine" else 8)
        arguments = {}
        if kind == "encoder" and getattr(model.config, "type_vocab_size", 1) > 1:
            arguments["token_type_ids"] = torch.zeros_like(rows)
            arguments["token_type_ids"][:, 4:] = 1
            names["segments"] = arguments["token_type_ids"].tolist()
        out = model(input_ids=rows, output_hidden_states=True, **arguments)
    outputs = {OUTPUTS[name]: value for name, value in out.items() if name in OUTPUTS and torch.is_tensor(value)}
    if "logits" in out:
        name = type(model).__name__
        head = "tokens" if "MaskedLM" in name else "labels" if "Classification" in name else "next" if "NextSentence" in name else "logits"
        outputs[head] = out.logits
    if kind == "encoder" and "hidden" not in outputs and model.config.model_type != "canine":
        outputs["hidden"] = out.hidden_states[-1]
    return {"rows": rows.tolist(), "outputs": {name: value.flatten().tolist() for name, value in outputs.items()}, **names}


GPT2 = dict(n_positions=16, n_embd=8, n_layer=2, n_head=2)
BERT = dict(hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=12, max_position_embeddings=20)
CANINE = dict(
    hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=12, max_position_embeddings=64, downsampling_rate=4,
    upsampling_kernel_size=4, num_hash_functions=2, num_hash_buckets=64, local_transformer_stride=8,
)
SEQ2SEQ = dict(
    d_model=8, encoder_layers=2, decoder_layers=1, encoder_ffn_dim=12, decoder_ffn_dim=12, encoder_attention_heads=2,
    decoder_attention_heads=2, max_position_embeddings=32,
)
T5 = dict(d_model=8, d_kv=4, d_ff=12, num_layers=2, num_decoder_layers=1, num_heads=3, relative_attention_num_buckets=8,
          relative_attention_max_distance=10, decoder_start_token_id=0)


def folders() -> dict:
    """Each: the files of the tokenizer, the class, its configuration, the kind of model, and how it is saved."""
    gpt2 = lambda model=GPT2LMHeadModel, pad=0, save={}, **more: (
        bytes_vocabulary, model, lambda n: GPT2Config(vocab_size=n + pad, bos_token_id=n - 1, eos_token_id=n - 1, **GPT2 | more), "decoder", save)
    words = lambda folder: len(wordpiece(folder, True, False))
    bert = lambda model=BertModel, pad=0, save={}, **more: (
        words, model, lambda n: BertConfig(vocab_size=n + pad, **BERT | more), "encoder", save)
    roberta = lambda model=RobertaModel, pad=0, save={}, config=RobertaConfig, **more: (
        lambda folder: len(byte_level(folder, False)), model,
        lambda n: config(vocab_size=n + pad, pad_token_id=1, bos_token_id=0, eos_token_id=2, **BERT | dict(type_vocab_size=1) | more), "encoder", save)
    canine = lambda model=CanineModel, save={}, **more: (lambda folder: 1114112, model, lambda n: CanineConfig(**CANINE | more), "encoder", save)
    t5 = lambda model=T5ForConditionalGeneration, config=T5Config, pad=0, save={}, **more: (
        t5_files, model, lambda n: config(vocab_size=n + 100 + pad, **T5 | more), "seq2seq", save)

    def marian(separate=False, pad=0, config=MarianConfig, model=MarianMTModel, save={}, **more):
        def files(folder):
            sizes = marian_files(folder, separate)
            (folder / "tokens.json").unlink()
            return sizes

        def settings(sizes):
            source, target = sizes
            own = dict(decoder_vocab_size=target + pad, share_encoder_decoder_embeddings=False) if separate else {}
            last = min(source, target) - 1
            return config(vocab_size=source + pad, pad_token_id=last, eos_token_id=0, forced_eos_token_id=0,
                          decoder_start_token_id=target - 1, **own, **SEQ2SEQ | more)

        return files, model, settings, "seq2seq", save

    activations = ["gelu", "gelu_new", "gelu_fast", "gelu_python", "gelu_pytorch_tanh", "quick_gelu", "relu", "silu", "swish", "tanh", "mish"]
    return {
        "gpt2": gpt2(), "gpt2_padded": gpt2(pad=7), "gpt2_untied": gpt2(tie_word_embeddings=False),
        "gpt2_untied_padded": gpt2(tie_word_embeddings=False, pad=61), "gpt2_bare": gpt2(GPT2Model),
        "gpt2_classes": gpt2(GPT2ForSequenceClassification, pad_token_id=0), "gpt2_inner": gpt2(n_inner=20, layer_norm_epsilon=0.1),
        "gpt2_unscaled": gpt2(scale_attn_weights=False), "gpt2_by_layer": gpt2(scale_attn_by_inverse_layer_idx=True),
        "gpt2_upcast": gpt2(reorder_and_upcast_attn=True), "gpt2_bf16": gpt2(save=dict(dtype="bfloat16")),
        "gpt2_f16": gpt2(save=dict(dtype="float16")), "gpt2_sharded": gpt2(save=dict(max_shard_size="3KB")),
        "gpt2_pickled": gpt2(save=dict(pickle=True)), "gpt2_pickled_bf16": gpt2(save=dict(pickle=True, dtype="bfloat16")),
        **{f"gpt2_{name}": gpt2(activation_function=name) for name in activations},
        "bert": bert(), "bert_without_pooler": bert(save=dict(arguments=dict(add_pooling_layer=False))), "bert_padded": bert(BertForMaskedLM, pad=5),
        "bert_masked_lm": bert(BertForMaskedLM), "bert_masked_lm_untied": bert(BertForMaskedLM, tie_word_embeddings=False),
        "bert_pretraining": bert(BertForPreTraining), "bert_next": bert(BertForNextSentencePrediction),
        "bert_classes": bert(BertForSequenceClassification, num_labels=3), "bert_regression": bert(BertForSequenceClassification, num_labels=1),
        "bert_many_labels": bert(BertForSequenceClassification, num_labels=3, problem_type="multi_label_classification"),
        "bert_token_classes": bert(BertForTokenClassification), "bert_questions": bert(BertForQuestionAnswering),
        "bert_one_segment": bert(type_vocab_size=1), "bert_three_segments": bert(type_vocab_size=3), "bert_epsilon": bert(layer_norm_eps=0.1),
        "bert_decoder": bert(is_decoder=True), "bert_bf16": bert(save=dict(dtype="bfloat16")), "bert_sharded": bert(save=dict(max_shard_size="1KB")),
        "bert_pickled": bert(BertForPreTraining, save=dict(pickle=True)),
        **{f"bert_{name}": bert(hidden_act=name) for name in activations},
        "roberta": roberta(), "roberta_masked_lm": roberta(RobertaForMaskedLM), "roberta_padded": roberta(RobertaForMaskedLM, pad=3),
        "roberta_untied": roberta(RobertaForMaskedLM, tie_word_embeddings=False), "roberta_classes": roberta(RobertaForSequenceClassification, num_labels=4),
        "roberta_two_segments": roberta(type_vocab_size=2),
        "xlm_roberta": roberta(XLMRobertaModel, config=XLMRobertaConfig),
        "canine": canine(), "canine_relu": canine(hidden_act="relu"), "canine_classes": canine(CanineForSequenceClassification, num_labels=3),
        "canine_rate": canine(downsampling_rate=2, upsampling_kernel_size=2), "canine_stride": canine(local_transformer_stride=16),
        "t5": t5(), "t5_padded": t5(pad=9), "t5_untied": t5(tie_word_embeddings=False), "t5_gated": t5(feed_forward_proj="gated-gelu"),
        "t5_gated_untied": t5(feed_forward_proj="gated-gelu", tie_word_embeddings=False), "t5_gated_silu": t5(feed_forward_proj="gated-silu"),
        "t5_gelu": t5(feed_forward_proj="gelu"), "t5_gelu_new": t5(feed_forward_proj="gelu_new"), "t5_epsilon": t5(layer_norm_epsilon=0.1),
        "t5_bf16": t5(save=dict(dtype="bfloat16")), "t5_sharded": t5(save=dict(max_shard_size="2KB")),
        "mt5": t5(MT5ForConditionalGeneration, MT5Config),
        "marian": marian(), "marian_uneven": marian(decoder_ffn_dim=10, decoder_attention_heads=4), "marian_padded": marian(pad=6), "marian_separate": marian(True), "marian_unscaled": marian(scale_embedding=False),
        "marian_scaled": marian(scale_embedding=True), **{f"marian_{name}": marian(activation_function=name) for name in activations},
        "marian_untied": marian(tie_word_embeddings=False), "marian_bf16": marian(save=dict(dtype="bfloat16")),
        "marian_sharded": marian(save=dict(max_shard_size="1KB")), "marian_pickled": marian(save=dict(pickle=True)),
        "pegasus": marian(config=PegasusConfig, model=PegasusForConditionalGeneration),
        "pegasus_scaled": marian(config=PegasusConfig, model=PegasusForConditionalGeneration, scale_embedding=True, activation_function="relu"),
        "bart": marian(config=BartConfig, model=BartForConditionalGeneration),
        "distilbert": (words, DistilBertModel, lambda n: DistilBertConfig(vocab_size=n, dim=8, n_heads=2, n_layers=2, hidden_dim=12), "encoder", {}),
        "electra": (words, ElectraModel, lambda n: ElectraConfig(vocab_size=n, embedding_size=8, **BERT), "encoder", {}),
        "llama": (bytes_vocabulary, LlamaForCausalLM, lambda n: LlamaConfig(
            vocab_size=n, hidden_size=8, intermediate_size=12, num_hidden_layers=2, num_attention_heads=2), "decoder", {}),
        "gpt_neox": (bytes_vocabulary, GPTNeoXForCausalLM, lambda n: GPTNeoXConfig(
            vocab_size=n, hidden_size=8, intermediate_size=12, num_hidden_layers=2, num_attention_heads=2), "decoder", {}),
    }  # fmt: skip


def written(folder: Path, files, model_class, config, kind: str, save: dict) -> dict:
    folder.mkdir(parents=True)
    n_tokens = files(folder)
    arguments = save.get("arguments", {})
    model = randomised(model_class(config(n_tokens), **arguments))
    if "dtype" in save:
        model = model.to(getattr(torch, save["dtype"]))
    model.save_pretrained(str(folder), max_shard_size=save.get("max_shard_size", "1GB"))
    if save.get("pickle"):
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
    # As a user reads it.
    model = model_class.from_pretrained(str(folder), dtype=torch.float32, **arguments).eval()
    n = min(n_tokens) if isinstance(n_tokens, tuple) else n_tokens
    return {"kind": kind, **computed(model, kind, n)}


def main(out: Path, wanted: list[str]) -> None:
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    for name, parts in folders().items():
        if wanted and not any(name.startswith(part) for part in wanted):
            continue
        folder = out / name
        shutil.rmtree(folder, ignore_errors=True)
        try:
            entry = written(folder, *parts)
        except Exception as error:
            entry = {"refused": f"{type(error).__name__}: {str(error)[:200]}"}
        folder.with_suffix(".json").write_text(json.dumps(entry))
        print(name, {key: len(value) for key, value in entry.get("outputs", {}).items()}, entry.get("refused", ""), flush=True)


if __name__ == "__main__":
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    main(Path(sys.argv[1]), sys.argv[2:])
