"""Writes folders of small random models of every family that is read, with settings of every kind, and what transformers computes.

    pip install -r requirements.txt && python sweep.py OUT_DIR [NAME…]

Each folder is OUT_DIR/NAME, and OUT_DIR/NAME.json has rows of tokens with their logits and vectors, by the model that
transformers reads from the folder. `cargo xtask golden --check` runs this and then `tests/sweep.rs` over the folders.
"""

import json
import os
import shutil
import sys
from copy import deepcopy
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import transformers
from generate import t5_pieces, tokenizer as marian_files
from generate_decoders import tokenizer as letters
from generate_encoders import byte_level, wordpiece
from generate_kin import albert_tokenizer, mpnet_tokenizer, xlm_roberta_tokenizer
from generate_multilingual import bart_tokenizer, m2m100_tokenizer, nllb_tokenizer, of_pieces
from generate_vit import LABELS
from generate_whisper import tokenizer as whisper_tokenizer
from safetensors.torch import load_file
from transformers import (
    AutoModel, AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForPreTraining,
    AutoModelForQuestionAnswering, AutoModelForSeq2SeqLM, AutoModelForSequenceClassification, AutoModelForTokenClassification,
    BartConfig, BartForConditionalGeneration, BertConfig, BertForMaskedLM, BertForNextSentencePrediction, BertForPreTraining,
    BertForQuestionAnswering, BertForSequenceClassification, BertForTokenClassification, BertModel, CanineConfig,
    CanineForSequenceClassification, CanineModel, DecisionTransformerConfig, DecisionTransformerModel,
    DeiTForImageClassificationWithTeacher, DeiTImageProcessorPil, GPT2Config, GPT2ForSequenceClassification, GPT2LMHeadModel,
    GPT2Model, MarianConfig, MarianMTModel, MBart50Tokenizer, MBartTokenizer, MT5Config, MT5ForConditionalGeneration, PegasusConfig,
    PegasusForConditionalGeneration, RobertaConfig, RobertaForMaskedLM, RobertaForSequenceClassification, RobertaModel, T5Config,
    T5ForConditionalGeneration, ViTImageProcessorPil, WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration,
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
    usual = 0.0 if "gemma" in model.config.model_type else 1.0  # Gemma's gains are stored less one
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if not parameter.requires_grad:
                continue  # sinusoids
            noise = torch.randn(parameter.shape, generator=generator)
            is_norm = parameter.ndim == 1 and "bias" not in name
            parameter.copy_(usual + 0.1 * noise if is_norm else 0.3 * noise)
    model.tie_weights()
    return model.eval()


def computed(model, kind: str, n_tokens: int) -> dict:
    """What a model makes of two rows of one length."""
    generator = torch.Generator().manual_seed(1)
    draw = lambda rows, cols: torch.randint(5, min(n_tokens, 250), (rows, cols), generator=generator)
    noise = lambda *shape: torch.randn(shape, generator=generator)
    flat = lambda outputs: {name: value.flatten().tolist() for name, value in outputs.items() if value is not None}
    config, names = model.config, {}
    if kind == "unknown":  # a head that is to be refused
        return {"outputs": {}}
    with torch.no_grad():
        if kind in ["seq2seq", "speech"]:
            target = draw(2, 4)
            target[:, 0] = config.decoder_start_token_id
            if kind == "speech":
                source = noise(2, config.num_mel_bins, 2 * config.max_source_positions)
                inputs = {"input_features": source}
                source = source.transpose(1, 2).flatten()  # frame by frame
            else:
                source = draw(2, 6)
                inputs = {"input_ids": source}
            out = model(decoder_input_ids=target, **inputs)
            return {"source": source.tolist(), "rows": target.tolist(), "outputs": flat({"logits": out.logits})}
        if kind == "image":
            side, height, width = config.patch_size, config.image_size, config.image_size
            pictures = noise(2, config.num_channels, height, width)
            out = model(pictures)
            patches = pictures.unfold(2, side, side).unfold(3, side, side).permute(0, 2, 3, 1, 4, 5)
            outputs = {"hidden": out.get("last_hidden_state"), "pooled": out.get("pooler_output"), "labels": out.get("logits")}
            return {"patches": patches.flatten().tolist(), "grid": [height // side, width // side], "outputs": flat(outputs)}
        if kind == "policy":
            inputs = {"states": noise(2, 3, config.state_dim), "actions": noise(2, 3, config.act_dim), "returns_to_go": noise(2, 3, 1)}
            steps = torch.arange(1, 4).expand(2, 3)
            out = model(**inputs, timesteps=steps, attention_mask=torch.ones(2, 3, dtype=torch.long))
            outputs = {"action": out.action_preds, "state": out.state_preds, "return": out.return_preds}
            return flat(inputs) | {"outputs": flat(outputs)}
        longest = config.max_position_embeddings if hasattr(config, "max_position_embeddings") else 8
        rows = draw(2, min(12 if config.model_type == "canine" else 8 if kind == "encoder" else 24, longest))
        arguments = {}
        if kind == "encoder" and getattr(config, "type_vocab_size", 1) > 1:
            arguments["token_type_ids"] = torch.zeros_like(rows)
            arguments["token_type_ids"][:, 4:] = 1
            names["segments"] = arguments["token_type_ids"].tolist()
        out = model(input_ids=rows, output_hidden_states=True, **arguments)
    outputs = {OUTPUTS[name]: value for name, value in out.items() if name in OUTPUTS and torch.is_tensor(value)}
    if "logits" in out and not type(model).__name__.startswith("ElectraForPreTraining"):
        heads = {"MaskedLM": "tokens", "TokenClassification": "tags", "Classification": "labels", "NextSentence": "next", "": "logits"}
        outputs[next(head for part, head in heads.items() if part in type(model).__name__)] = out.logits
    if "start_logits" in out:
        outputs["spans"] = torch.stack([out.start_logits, out.end_logits], dim=-1)
    if kind == "encoder" and "hidden" not in outputs and config.model_type != "canine":
        with torch.no_grad():
            outputs["hidden"] = getattr(model, model.base_model_prefix)(input_ids=rows, **arguments).last_hidden_state
    return {"rows": rows.tolist(), "outputs": flat(outputs), **names}


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


LLAMA = dict(hidden_size=16, intermediate_size=12, num_hidden_layers=3, num_attention_heads=4, max_position_embeddings=64)
ACTIVATIONS = ["gelu", "gelu_new", "gelu_fast", "gelu_python", "gelu_pytorch_tanh", "quick_gelu", "relu", "silu", "swish", "tanh", "mish"]
SAVES = {
    "bf16": dict(dtype="bfloat16"), "f16": dict(dtype="float16"), "sharded": dict(max_shard_size="1KB"), "pickled": dict(pickle=True),
    "pickled_f16": dict(pickle=True, dtype="float16"), "minimal": dict(minimal=True),
}  # fmt: skip


def rotary(kind: str = "default", theta: float = 10000.0, **parameters) -> dict:
    return {"rope_parameters": {"rope_type": kind, "rope_theta": theta} | parameters}


ROTARY = {
    "theta": rotary(theta=77.0), "linear": rotary("linear", factor=3.0), "dynamic": rotary("dynamic", factor=2.0) | dict(max_position_embeddings=16),
    "llama3": rotary("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32),
    "yarn": rotary("yarn", factor=4.0, original_max_position_embeddings=16),
    "yarn_set": rotary("yarn", factor=4.0, original_max_position_embeddings=16, attention_factor=1.3, beta_fast=8.0, beta_slow=2.0),
    "yarn_mscale": rotary("yarn", factor=4.0, original_max_position_embeddings=16, mscale=0.7, mscale_all_dim=1.2),
    "yarn_real": rotary("yarn", factor=4.0, original_max_position_embeddings=16, truncate=False),
    "longrope": rotary("longrope", short_factor=[1.0, 1.5], long_factor=[3.0, 5.0], original_max_position_embeddings=16),
    "longrope_short": rotary("longrope", short_factor=[1.5, 2.0], long_factor=[3.0, 5.0], original_max_position_embeddings=32),
}  # fmt: skip


def decoders() -> dict:
    """Every decoder but GPT-2 with settings of every kind, those that it does not have too."""

    def decoder(config, save={}, pad=0, begin=True, model=AutoModelForCausalLM, **settings):
        # A configuration may change the dictionaries that it is made of.
        make = lambda n: config(**dict(vocab_size=n + pad, bos_token_id=1, eos_token_id=2, pad_token_id=None) | deepcopy(settings))
        return lambda folder: letters(folder, begin), model, make, "decoder", save

    usual = {
        "": {}, "padded": dict(pad=5), "tied": dict(tie_word_embeddings=True), "untied": dict(tie_word_embeddings=False),
        "no_begin": dict(begin=False), "bare": dict(model=AutoModel), **{name: dict(save=how) for name, how in SAVES.items()},
    }  # fmt: skip
    rms = {
        "mha": dict(num_key_value_heads=4), "one_kv": dict(num_key_value_heads=1), "wide_heads": dict(head_dim=6), "epsilon": dict(rms_norm_eps=0.1),
        "biased": dict(attention_bias=True), "classes": dict(model=AutoModelForSequenceClassification, pad_token_id=0), **ROTARY,
    }  # fmt: skip
    acts = lambda key: {name: {key: name} for name in ACTIVATIONS}
    windows = dict(sliding_window=4)
    types = dict(layer_types=["full_attention", "sliding_attention", "full_attention"], **windows)
    neox = {"parallel": dict(use_parallel_residual=True), "in_turn": dict(use_parallel_residual=False), "epsilon": dict(layer_norm_eps=0.1), **ROTARY,
            **{f"share_{n}": rotary(partial_rotary_factor=n) for n in [0.5, 1.0]}}
    gemma = {"caps": dict(attn_logit_softcapping=0.6, final_logit_softcapping=0.9), "no_caps": dict(attn_logit_softcapping=None, final_logit_softcapping=None),
             "types": types, "scalar": dict(query_pre_attn_scalar=9), "wide": dict(sliding_window=99)}
    grouped = LLAMA | dict(num_key_value_heads=2)
    small = grouped | dict(head_dim=4, query_pre_attn_scalar=4, sliding_window=4)
    c = transformers
    table = {
        "llama": (c.LlamaConfig, grouped, rms | acts("hidden_act") | {"biases": dict(attention_bias=True, mlp_bias=True)}),
        "mistral": (c.MistralConfig, grouped, rms | {"window": windows, "no_window": dict(sliding_window=None)}),
        "qwen2": (c.Qwen2Config, grouped, rms | {"window": dict(use_sliding_window=True, max_window_layers=1, **windows), "idle_window": windows,
                                                 "types": types | dict(use_sliding_window=True)}),
        "qwen3": (c.Qwen3Config, grouped | dict(head_dim=4), rms | {"window": dict(use_sliding_window=True, max_window_layers=2, **windows)}),
        "gemma": (c.GemmaConfig, grouped | dict(head_dim=4), rms | acts("hidden_act")),
        "gemma2": (c.Gemma2Config, small, rms | gemma), "gemma3_text": (c.Gemma3TextConfig, small, rms | gemma | windows_of_gemma3()),
        "phi": (c.PhiConfig, grouped | dict(num_attention_heads=2), neox | acts("hidden_act") | {"qk_norm": dict(qk_layernorm=True), "grouped": dict(num_attention_heads=4)}),
        "phi3": (c.Phi3Config, grouped | dict(pad_token_id=0), rms | {"window": windows, "share": rotary(partial_rotary_factor=0.5) | dict(head_dim=8), **longrope()}),
        "gpt_neox": (c.GPTNeoXConfig, LLAMA | dict(num_attention_heads=2), neox | acts("hidden_act") | {"unbiased": dict(attention_bias=False)}),
        "starcoder2": (c.Starcoder2Config, grouped, ROTARY | acts("hidden_act") | {
            "window": windows, "unbiased": dict(use_bias=False), "epsilon": dict(norm_epsilon=0.1), "mha": dict(num_key_value_heads=4)}),
        "opt": (c.OPTConfig, {key: value for key, value in LLAMA.items() if key != "intermediate_size"} | dict(ffn_dim=12, word_embed_proj_dim=16, pad_token_id=0), {
            "post": dict(do_layer_norm_before=False), "unbiased": dict(enable_bias=False), "plain_norms": dict(layer_norm_elementwise_affine=False),
            "narrow": dict(word_embed_proj_dim=4), "no_last_norm": dict(_remove_final_layer_norm=True)} | acts("activation_function")),
        # Refused, or read as what they are another name of.
        **{name: (config, grouped, {}) for name, config in [
            ("mixtral", c.MixtralConfig), ("cohere", c.CohereConfig), ("olmo2", c.Olmo2Config), ("granite", c.GraniteConfig), ("stablelm", c.StableLmConfig)]},
    }  # fmt: skip
    variants = lambda own: usual | own
    return {
        f"{name}_{variant}".rstrip("_"): decoder(config, **sizes | changes)
        for name, (config, sizes, own) in table.items() for variant, changes in variants(own).items()
    }  # fmt: skip


def windows_of_gemma3() -> dict:
    """Gemma 3's positions of the two kinds of layers."""
    by_kind = lambda full, windowed: {"rope_parameters": {"full_attention": full["rope_parameters"], "sliding_attention": windowed["rope_parameters"]}}
    return {
        "two_bases": by_kind(rotary(theta=1e6), rotary(theta=1e4)), "one_base": by_kind(rotary(), rotary()),
        "full_linear": by_kind(rotary("linear", factor=8.0), rotary(theta=100.0)), "windowed_linear": by_kind(rotary(), rotary("linear", factor=8.0)),
        "full_yarn": by_kind(ROTARY["yarn"], rotary(theta=100.0)),
    }  # fmt: skip


def longrope() -> dict:
    """Phi 3's positions: with a longer context, by two lists of divisors."""
    lists = lambda n, **more: rotary("longrope", short_factor=[1.0 + 0.1 * i for i in range(n)], long_factor=[2.0 + i for i in range(n)], **more)
    return {
        "128k": lists(2) | dict(original_max_position_embeddings=16, max_position_embeddings=64),
        "128k_short": lists(2) | dict(original_max_position_embeddings=32, max_position_embeddings=64),
        "phi4": lists(2, partial_rotary_factor=0.5) | dict(original_max_position_embeddings=16, max_position_embeddings=64, num_attention_heads=2, tie_word_embeddings=True),
    }  # fmt: skip


def kin() -> dict:
    """Every encoder of words and pieces with every head."""
    specials = lambda pad, bos, eos: dict(pad_token_id=pad, bos_token_id=bos, eos_token_id=eos)
    c = transformers
    sized = lambda make: lambda folder: len(make(folder))
    words = sized(lambda folder: wordpiece(folder, True, False))
    distilbert = dict(dim=8, n_heads=2, n_layers=2, hidden_dim=12, max_position_embeddings=20)
    modern = BERT | specials(0, 2, 3) | dict(cls_token_id=2, sep_token_id=3, local_attention=4, num_hidden_layers=4)
    table = {
        "bert": (c.BertConfig, words, BERT, {}), "roberta": (c.RobertaConfig, sized(lambda folder: byte_level(folder, False)), BERT | dict(type_vocab_size=1) | specials(1, 0, 2), {}),
        "xlm-roberta": (c.XLMRobertaConfig, sized(lambda folder: xlm_roberta_tokenizer(folder, True)), BERT | dict(type_vocab_size=1) | specials(1, 0, 2), {}),
        "distilbert": (c.DistilBertConfig, words, distilbert, {"sinusoids": dict(sinusoidal_pos_embds=True), "relu": dict(activation="relu"), "silu": dict(activation="silu")}),
        "mpnet": (c.MPNetConfig, sized(lambda folder: mpnet_tokenizer(folder, True)), BERT | specials(1, 0, 2), {}),
        "electra": (c.ElectraConfig, words, BERT | dict(embedding_size=8), {"narrow": dict(embedding_size=4), "pretraining": dict(model=AutoModelForPreTraining),
                                                                          "last": dict(model=AutoModelForSequenceClassification, summary_type="last")}),
        "albert": (c.AlbertConfig, sized(albert_tokenizer), BERT | dict(embedding_size=4), {
            "pretraining": dict(model=AutoModelForPreTraining), "groups": dict(num_hidden_groups=2), "inner": dict(inner_group_num=2)}),
        "modernbert": (c.ModernBertConfig, words, modern, {
            "biased": dict(norm_bias=True, attention_bias=True, mlp_bias=True), "mean": dict(model=AutoModelForSequenceClassification, classifier_pooling="mean"),
            "every": dict(global_attn_every_n_layers=2), "decoder_bias": dict(model=AutoModelForMaskedLM, decoder_bias=False), "odd_window": dict(local_attention=5)}),
    }  # fmt: skip
    heads = {
        "": {}, "masked": dict(model=AutoModelForMaskedLM), "untied": dict(model=AutoModelForMaskedLM, tie_word_embeddings=False),
        "classes": dict(model=AutoModelForSequenceClassification, num_labels=3), "one_class": dict(model=AutoModelForSequenceClassification, num_labels=1),
        "many": dict(model=AutoModelForSequenceClassification, num_labels=3, problem_type="multi_label_classification"),
        "tags": dict(model=AutoModelForTokenClassification, num_labels=3), "answers": dict(model=AutoModelForQuestionAnswering),
        "choice": dict(model=transformers.AutoModelForMultipleChoice, kind="unknown"), "padded": dict(pad=4), **{name: dict(save=how) for name, how in SAVES.items()},
        **{name: dict(hidden_act=name, hidden_activation=name) for name in ["relu", "gelu_new", "gelu_pytorch_tanh", "silu", "tanh"]},
        "epsilon": dict(layer_norm_eps=0.1, norm_eps=0.1),
    }  # fmt: skip

    def encoder(config, files, model=AutoModel, save={}, pad=0, kind="encoder", **settings):
        return files, model, lambda n: config(vocab_size=n + pad, **settings), kind, save

    return {
        f"{name}-{variant}".rstrip("-"): encoder(config, files, **sizes | changes)
        for name, (config, files, sizes, own) in table.items() for variant, changes in (heads | own).items()
    }  # fmt: skip


def multilingual() -> dict:
    """BART and its kin with their own tokenizers."""
    c = transformers
    special = dict(pad_token_id=1, bos_token_id=0, eos_token_id=2, decoder_start_token_id=2)

    def files_of(make):
        def files(folder: Path) -> int:
            tokenizer = make(folder)
            return max(max(tokenizer.get_vocab().values()) + 1, getattr(tokenizer, "encoder_size", 0) + len(getattr(tokenizer, "lang_code_to_id", [])))

        return files

    def model(config, make, save={}, pad=0, model=AutoModelForSeq2SeqLM, kind="seq2seq", **settings):
        return files_of(make), model, lambda n: config(vocab_size=n + pad, **SEQ2SEQ | special | settings), kind, save

    table = {
        "bart": (c.BartConfig, bart_tokenizer), "mbart": (c.MBartConfig, of_pieces(MBartTokenizer, "unigram", False)),
        "mbart50": (c.MBartConfig, of_pieces(MBart50Tokenizer, "unigram", False)), "m2m_100": (c.M2M100Config, m2m100_tokenizer),
        "nllb": (c.M2M100Config, nllb_tokenizer),
    }  # fmt: skip
    variants = {
        "": {}, "scaled": dict(scale_embedding=True), "unscaled": dict(scale_embedding=False), "padded": dict(pad=6), "untied": dict(tie_word_embeddings=False),
        "uneven": dict(decoder_ffn_dim=10, decoder_attention_heads=4, decoder_layers=3),
        **{name: dict(save=how) for name, how in SAVES.items()}, **{name: dict(activation_function=name) for name in ACTIVATIONS},
    }  # fmt: skip
    return {f"{name}_{variant}".rstrip("_"): model(*parts, **changes) for name, parts in table.items() for variant, changes in variants.items()}


def others() -> dict:
    """Pictures, speech and policies."""
    c = transformers
    saved = {name: dict(save=how) for name, how in SAVES.items()}
    sizes = dict(hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=12, image_size=12, patch_size=4)

    def image(config, processor, model=AutoModel, save={}, kind="image", **settings):
        if model == "classes":
            model = getattr(c, config.__name__.replace("Config", "ForImageClassification"))

        def files(folder: Path) -> int:
            side = {"height": settings.get("image_size", 12), "width": settings.get("image_size", 12)}
            crop = dict(crop_size=side) if processor is DeiTImageProcessorPil else {}
            n = settings.get("num_channels", 3)
            processor(size=side, image_mean=[0.5] * n, image_std=[0.5] * n, **crop).save_pretrained(folder)
            return 0

        return files, model, lambda n: config(**sizes | settings), kind, save

    pictures = {
        "": {}, "classes": dict(model="classes", **LABELS), "grey": dict(num_channels=1), "large": dict(image_size=24, patch_size=8),
        "uneven": dict(image_size=14), "unbiased": dict(qkv_bias=False), "no_pooler": dict(save=dict(arguments=dict(add_pooling_layer=False))),
        "epsilon": dict(layer_norm_eps=0.1), "teacher": dict(model=DeiTForImageClassificationWithTeacher, **LABELS),
        "masked": dict(model=c.AutoModelForMaskedImageModeling, kind="unknown"), "pooler_act": dict(pooler_act="relu"), "pooler_wide": dict(pooler_output_size=6),
        **saved, **{name: dict(hidden_act=name) for name in ACTIVATIONS},
    }  # fmt: skip
    result = {
        f"{name}_{variant}".rstrip("_"): image(config, processor, **changes)
        for name, config, processor in [("vit", c.ViTConfig, ViTImageProcessorPil), ("deit", c.DeiTConfig, DeiTImageProcessorPil)]
        for variant, changes in pictures.items() if (name, variant) != ("vit", "teacher")
    }  # fmt: skip

    def speech(save={}, model=WhisperForConditionalGeneration, pad=0, kind="speech", **settings):
        def files(folder: Path) -> list:
            tokenizer = whisper_tokenizer(folder)
            extractor = WhisperFeatureExtractor(feature_size=settings.get("num_mel_bins", 10), chunk_length=1)
            c.WhisperProcessor(extractor, tokenizer).save_pretrained(folder)
            return [len(tokenizer), *tokenizer.convert_tokens_to_ids(["<|endoftext|>", "<|startoftranscript|>"])]

        def config(numbers):
            n, end, start = numbers
            own = dict(vocab_size=n + pad, num_mel_bins=10, max_source_positions=50, max_target_positions=32, pad_token_id=end, bos_token_id=end,
                       eos_token_id=end, decoder_start_token_id=start, suppress_tokens=[], begin_suppress_tokens=None)
            return WhisperConfig(**{key: value for key, value in SEQ2SEQ.items() if key != "max_position_embeddings"} | own | settings)

        return files, model, config, kind, save

    sounds = {
        "": {}, "scaled": dict(scale_embedding=True), "uneven": dict(encoder_layers=1, decoder_layers=3, decoder_ffn_dim=10, encoder_ffn_dim=20),
        "bins": dict(num_mel_bins=16), "padded": dict(pad=5), "classes": dict(model=c.WhisperForAudioClassification, kind="unknown"), **saved,
        **{name: dict(activation_function=name) for name in ACTIVATIONS},
    }  # fmt: skip
    result |= {f"whisper_{variant}".rstrip("_"): speech(**changes) for variant, changes in sounds.items()}

    def policy(save={}, **settings):
        own = dict(state_dim=5, act_dim=3, hidden_size=8, n_layer=2, n_head=2, n_positions=32, max_ep_len=9)
        return lambda folder: 0, DecisionTransformerModel, lambda n: DecisionTransformerConfig(**own | settings), "policy", save

    acting = {
        "": {}, "inner": dict(n_inner=20), "open": dict(action_tanh=False), "four_heads": dict(n_head=4), "epsilon": dict(layer_norm_epsilon=0.1),
        "unscaled": dict(scale_attn_weights=False), "by_layer": dict(scale_attn_by_inverse_layer_idx=True), "upcast": dict(reorder_and_upcast_attn=True),
        **saved, **{name: dict(activation_function=name) for name in ACTIVATIONS},
    }  # fmt: skip
    return result | {f"policy_{variant}".rstrip("_"): policy(**changes) for variant, changes in acting.items()}


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

    return {
        "gpt2": gpt2(), "gpt2_padded": gpt2(pad=7), "gpt2_untied": gpt2(tie_word_embeddings=False),
        "gpt2_untied_padded": gpt2(tie_word_embeddings=False, pad=61), "gpt2_bare": gpt2(GPT2Model),
        "gpt2_classes": gpt2(GPT2ForSequenceClassification, pad_token_id=0), "gpt2_inner": gpt2(n_inner=20, layer_norm_epsilon=0.1),
        "gpt2_unscaled": gpt2(scale_attn_weights=False), "gpt2_by_layer": gpt2(scale_attn_by_inverse_layer_idx=True),
        "gpt2_upcast": gpt2(reorder_and_upcast_attn=True), "gpt2_bf16": gpt2(save=dict(dtype="bfloat16")),
        "gpt2_f16": gpt2(save=dict(dtype="float16")), "gpt2_sharded": gpt2(save=dict(max_shard_size="3KB")),
        "gpt2_pickled": gpt2(save=dict(pickle=True)), "gpt2_pickled_bf16": gpt2(save=dict(pickle=True, dtype="bfloat16")),
        **{f"gpt2_{name}": gpt2(activation_function=name) for name in ACTIVATIONS},
        "bert": bert(), "bert_without_pooler": bert(save=dict(arguments=dict(add_pooling_layer=False))), "bert_padded": bert(BertForMaskedLM, pad=5),
        "bert_masked_lm": bert(BertForMaskedLM), "bert_masked_lm_untied": bert(BertForMaskedLM, tie_word_embeddings=False),
        "bert_pretraining": bert(BertForPreTraining), "bert_next": bert(BertForNextSentencePrediction),
        "bert_classes": bert(BertForSequenceClassification, num_labels=3), "bert_regression": bert(BertForSequenceClassification, num_labels=1),
        "bert_many_labels": bert(BertForSequenceClassification, num_labels=3, problem_type="multi_label_classification"),
        "bert_token_classes": bert(BertForTokenClassification), "bert_questions": bert(BertForQuestionAnswering),
        "bert_one_segment": bert(type_vocab_size=1), "bert_three_segments": bert(type_vocab_size=3), "bert_epsilon": bert(layer_norm_eps=0.1),
        "bert_decoder": bert(is_decoder=True), "bert_bf16": bert(save=dict(dtype="bfloat16")), "bert_sharded": bert(save=dict(max_shard_size="1KB")),
        "bert_pickled": bert(BertForPreTraining, save=dict(pickle=True)),
        **{f"bert_{name}": bert(hidden_act=name) for name in ACTIVATIONS},
        "roberta": roberta(), "roberta_masked_lm": roberta(RobertaForMaskedLM), "roberta_padded": roberta(RobertaForMaskedLM, pad=3),
        "roberta_untied": roberta(RobertaForMaskedLM, tie_word_embeddings=False), "roberta_classes": roberta(RobertaForSequenceClassification, num_labels=4),
        "roberta_two_segments": roberta(type_vocab_size=2),
        "canine": canine(), "canine_relu": canine(hidden_act="relu"), "canine_classes": canine(CanineForSequenceClassification, num_labels=3),
        "canine_rate": canine(downsampling_rate=2, upsampling_kernel_size=2), "canine_stride": canine(local_transformer_stride=16),
        "t5": t5(), "t5_padded": t5(pad=9), "t5_untied": t5(tie_word_embeddings=False), "t5_gated": t5(feed_forward_proj="gated-gelu"),
        "t5_gated_untied": t5(feed_forward_proj="gated-gelu", tie_word_embeddings=False), "t5_gated_silu": t5(feed_forward_proj="gated-silu"),
        "t5_gelu": t5(feed_forward_proj="gelu"), "t5_gelu_new": t5(feed_forward_proj="gelu_new"), "t5_epsilon": t5(layer_norm_epsilon=0.1),
        "t5_bf16": t5(save=dict(dtype="bfloat16")), "t5_sharded": t5(save=dict(max_shard_size="2KB")),
        "mt5": t5(MT5ForConditionalGeneration, MT5Config),
        "marian": marian(), "marian_uneven": marian(decoder_ffn_dim=10, decoder_attention_heads=4), "marian_padded": marian(pad=6), "marian_separate": marian(True), "marian_unscaled": marian(scale_embedding=False),
        "marian_scaled": marian(scale_embedding=True), **{f"marian_{name}": marian(activation_function=name) for name in ACTIVATIONS},
        "marian_untied": marian(tie_word_embeddings=False), "marian_bf16": marian(save=dict(dtype="bfloat16")),
        "marian_sharded": marian(save=dict(max_shard_size="1KB")), "marian_pickled": marian(save=dict(pickle=True)),
        "pegasus": marian(config=PegasusConfig, model=PegasusForConditionalGeneration),
        "pegasus_scaled": marian(config=PegasusConfig, model=PegasusForConditionalGeneration, scale_embedding=True, activation_function="relu"),
        **decoders(), **kin(), **multilingual(), **others(),
    }  # fmt: skip


def written(folder: Path, files, model_class, config, kind: str, save: dict) -> dict:
    folder.mkdir(parents=True)
    n_tokens = files(folder)
    arguments = save.get("arguments", {})
    model = randomised(getattr(model_class, "from_config", model_class)(config(n_tokens), **arguments))
    if "dtype" in save:
        model = model.to(getattr(torch, save["dtype"]))
    model.save_pretrained(str(folder), max_shard_size=save.get("max_shard_size", "1GB"))
    if save.get("minimal"):
        # As the authors wrote it: without what is usual.
        usual = type(model.config)().to_dict()
        config = json.loads((folder / "config.json").read_text())
        config = {key: value for key, value in config.items() if key == "model_type" or value != usual.get(key)}
        (folder / "config.json").write_text(json.dumps(config))
    if save.get("pickle"):
        torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
    # As a user reads it, with bounds of scores, which another attention than this leaves aside.
    model = model_class.from_pretrained(str(folder), dtype=torch.float32, attn_implementation="eager", **arguments).eval()
    n = n_tokens if isinstance(n_tokens, int) else min(n_tokens) if isinstance(n_tokens, tuple) else n_tokens[0]
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
