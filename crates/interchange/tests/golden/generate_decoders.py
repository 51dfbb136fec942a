"""Writes the goldens of decoders: a tiny model of each architecture that is read as one decoder here, what it computes, and how
it goes on with a text.

    pip install -r requirements.txt && python generate_decoders.py OUT_DIR
"""

import json
import sys
from pathlib import Path

import torch
from generate import rounded
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    AutoTokenizer, Gemma2Config, Gemma2ForCausalLM, Gemma3Config, Gemma3ForCausalLM, Gemma3ForConditionalGeneration, Gemma3TextConfig, GemmaConfig,
    GemmaForCausalLM, GPTNeoXConfig, GPTNeoXForCausalLM,
    LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, OPTConfig, OPTForCausalLM, Phi3Config, Phi3ForCausalLM,
    PhiConfig, PhiForCausalLM, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM,
    Starcoder2Config, Starcoder2ForCausalLM,
)  # fmt: skip

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "testkit/golden"))
from torch_golden import named, write

torch.set_num_threads(1)

BOS, EOS = 1, 2
LLAMA3 = {"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}
TEXTS = ["the animal was tired", " too  wide.", "a street", "the"]


def tokenizer(folder: Path, begin: bool) -> int:
    """A byte-level BPE of few letters, which begins texts with <s> or with nothing; gives the number of its tokens."""
    letters = ["Ġ", ".", *"abcdefghijklmnopqrstuvwxyz"]
    merges = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("a", "n"), ("w", "a"), ("Ġ", "wa"), ("e", "e")]
    tokens = ["<unk>", "<s>", "</s>", *letters, *(a + b for a, b in merges)]
    bpe = Tokenizer(models.BPE(vocab={token: n for n, token in enumerate(tokens)}, merges=merges, unk_token="<unk>"))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    if begin:
        bpe.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", BOS)])
    fast = PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    fast.save_pretrained(str(folder))
    return len(tokens)


def golden(out: Path, name: str, kind, config, begin=False, old=None, **sizes) -> None:
    """A folder, its logits, and the ids that follow a text."""
    folder = out / name
    folder.mkdir(exist_ok=True)
    n_tokens = tokenizer(folder, begin)
    # The vocabulary is padded, as many are.
    sizes = {"vocab_size": n_tokens + 3, "bos_token_id": BOS, "eos_token_id": EOS, "pad_token_id": None} | sizes
    model = kind(config(**sizes)).eval()
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and "rotary" not in name:
            offset = float("norm" in name and name.endswith("weight") and "gemma" not in model.config.model_type)
            tensor.copy_(named(name, *tensor.shape, scale=0.5, offset=offset).float())
    model.tie_weights()
    model.generation_config.eos_token_id = EOS
    model.save_pretrained(str(folder))
    if old:
        # As transformers 4 wrote it.
        torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
        settings = json.loads((folder / "config.json").read_text())
        of_text = settings.get("text_config", settings)
        del of_text["rope_parameters"]
        of_text.update(old)
        (folder / "config.json").write_text(json.dumps(settings, indent=1, sort_keys=True) + "\n")
        model = kind.from_pretrained(str(folder)).eval()
    ids = torch.tensor([[5, 20, 31, 7, BOS, 9, 11, 30, 4], [9, 9, EOS, 25, 10, 3, 33, 8, 6]])
    fast = AutoTokenizer.from_pretrained(str(folder))
    with torch.no_grad():
        logits = model(input_ids=ids).logits
        prompt = fast(TEXTS[0], return_tensors="pt")["input_ids"]
        never = [*range(n_tokens, n_tokens + 3), BOS, 0]
        greedy = model.generate(prompt, do_sample=False, max_new_tokens=12, suppress_tokens=never, pad_token_id=EOS)
    new = greedy[0, prompt.shape[1]:].tolist()
    case = {
        "ids": ids.tolist(), "texts": TEXTS, "encoded": [fast(text)["input_ids"] for text in TEXTS],
        "generated": new[: new.index(EOS)] if EOS in new else new,
    }  # fmt: skip
    write(folder / "logits.json", [case | {"tensors": {"logits": rounded(logits)}}])


def main(out: Path) -> None:
    small = dict(hidden_size=8, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=64)
    llama = small | dict(intermediate_size=11, num_key_value_heads=2)
    rotary = lambda **parameters: {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0} | parameters}  # noqa: E731
    golden(out, "llama", LlamaForCausalLM, LlamaConfig, begin=True, **llama)
    old = {"rope_theta": 500.0, "rope_scaling": LLAMA3}
    golden(
        out, "llama-old", LlamaForCausalLM, LlamaConfig, begin=True, old=old, tie_word_embeddings=True, attention_bias=True,
        mlp_bias=True, **llama, **rotary(rope_theta=500.0, **LLAMA3),
    )  # fmt: skip
    golden(out, "mistral", MistralForCausalLM, MistralConfig, begin=True, head_dim=6, sliding_window=4, **llama)
    golden(
        out, "qwen2", Qwen2ForCausalLM, Qwen2Config, use_sliding_window=True, sliding_window=4, max_window_layers=1, **llama,
        **rotary(rope_theta=1000.0, **YARN),
    )  # fmt: skip
    golden(out, "qwen3", Qwen3ForCausalLM, Qwen3Config, head_dim=4, tie_word_embeddings=True, **llama)
    golden(out, "gemma", GemmaForCausalLM, GemmaConfig, begin=True, head_dim=4, **llama)
    golden(
        out, "gemma2", Gemma2ForCausalLM, Gemma2Config, begin=True, head_dim=4, query_pre_attn_scalar=4, sliding_window=3,
        attn_logit_softcapping=0.6, final_logit_softcapping=0.9, **llama,
    )  # fmt: skip
    gemma3 = llama | dict(num_hidden_layers=3, head_dim=4, query_pre_attn_scalar=4, sliding_window=3)
    of_layers = {
        "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
        "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 10000.0},
    }
    types = ["sliding_attention", "full_attention", "sliding_attention"]
    golden(out, "gemma3", Gemma3ForCausalLM, Gemma3TextConfig, begin=True, layer_types=types, rope_parameters=of_layers, **gemma3)
    # With what reads pictures, and the settings of its text model as released: without what is usual.
    sight = dict(hidden_size=4, intermediate_size=5, num_hidden_layers=1, num_attention_heads=2, image_size=8, patch_size=4)
    pictures = lambda **text: Gemma3Config(text_config=text, vision_config=sight, mm_tokens_per_image=4)  # noqa: E731
    old = {"rope_scaling": {"rope_type": "linear", "factor": 8.0}}
    linear = {"full_attention": old["rope_scaling"] | {"rope_theta": 1e6}, "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}}
    golden(out, "gemma3-pictures", Gemma3ForConditionalGeneration, pictures, begin=True, old=old, layer_types=types, rope_parameters=linear, **gemma3)
    golden(out, "phi", PhiForCausalLM, PhiConfig, intermediate_size=11, **small | rotary(partial_rotary_factor=0.5) | dict(num_attention_heads=2))
    golden(out, "phi3", Phi3ForCausalLM, Phi3Config, begin=True, **llama | dict(sliding_window=5))
    # For texts of up to 32 tokens, and for longer ones than 8, of which half of a head is turned.
    lists = lambda n, **parameters: rotary(  # noqa: E731
        rope_type="longrope", short_factor=[1.0 + 0.25 * i for i in range(n)], long_factor=[2.0 + 3.0 * i for i in range(n)], **parameters)
    long = llama | dict(num_attention_heads=2)
    golden(out, "phi3-long", Phi3ForCausalLM, Phi3Config, begin=True, original_max_position_embeddings=32, **long | lists(2))
    golden(
        out, "phi3-longer", Phi3ForCausalLM, Phi3Config, begin=True, original_max_position_embeddings=8, tie_word_embeddings=True,
        **long | dict(hidden_size=16) | lists(2, partial_rotary_factor=0.5),
    )  # fmt: skip
    golden(out, "llama-dynamic", LlamaForCausalLM, LlamaConfig, **llama | dict(num_attention_heads=2) | rotary(rope_type="dynamic", factor=4.0))
    neox = small | dict(intermediate_size=11, num_attention_heads=2) | rotary(partial_rotary_factor=0.5)
    golden(out, "gpt-neox", GPTNeoXForCausalLM, GPTNeoXConfig, **neox)
    golden(out, "gpt-neox-in-turn", GPTNeoXForCausalLM, GPTNeoXConfig, use_parallel_residual=False, **neox)
    golden(out, "starcoder2", Starcoder2ForCausalLM, Starcoder2Config, sliding_window=4, residual_dropout=0.0, embedding_dropout=0.0, **llama)
    golden(out, "opt", OPTForCausalLM, OPTConfig, ffn_dim=11, word_embed_proj_dim=8, **small | dict(pad_token_id=2))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
