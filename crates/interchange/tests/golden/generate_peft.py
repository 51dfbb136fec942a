"""Writes the goldens of adapters: PEFT's over tiny models that are here already, and what the changed models compute.

    pip install -r requirements-peft.txt && python generate_peft.py OUT_DIR
"""

import json
import sys
from pathlib import Path

import torch
from generate import rounded
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, logging

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "testkit/golden"))
from torch_golden import named, write

IDS = [[5, 20, 31, 7, 1, 9, 11, 30, 4], [9, 9, 2, 25, 10, 3, 33, 8, 6]]


def adapted(out: Path, name: str, model, **settings):
    """A folder as PEFT's `save_pretrained` writes it, of changes that are not zero, and the changed model."""
    model = get_peft_model(model.eval(), LoraConfig(**settings)).eval()
    with torch.no_grad():
        for path, tensor in model.state_dict().items():
            if "lora_A" in path or "lora_B" in path:
                tensor.copy_(named(path, *tensor.shape, scale=0.5).float())
            elif "lora_magnitude" in path:
                # Lengths that are trained stay near those that they begin from.
                tensor.mul_(1.0 + 0.2 * named(path, *tensor.shape, scale=0.5).float())
            elif "modules_to_save" in path:
                tensor.add_(named(path, *tensor.shape, scale=0.2).float())
    folder = out / name
    model.save_pretrained(str(folder))
    (folder / "README.md").unlink()
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    config["base_model_name_or_path"] = None
    for key in ["target_modules", "modules_to_save"]:
        config[key] = sorted(config[key]) if config[key] else config[key]
    path.write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
    return model


def decoder(out: Path, base: str, name: str, **settings) -> None:
    model = adapted(out, name, AutoModelForCausalLM.from_pretrained(str(HERE / base)), **settings)
    ids = torch.tensor(IDS) % model.config.vocab_size
    with torch.no_grad():
        logits = model(input_ids=ids).logits
    write(out / name / "outputs.json", [{"name": name, "base": base, "ids": ids.tolist(), "tensors": {"logits": rounded(logits)}}])


def encoder(out: Path, base: str, name: str, **settings) -> None:
    model = adapted(out, name, AutoModelForSequenceClassification.from_pretrained(str(HERE / base)), **settings)
    case = json.loads((HERE / base / "outputs.json").read_text())[0]
    labels = []
    with torch.no_grad():
        for row, segments in zip(case["rows"], case["segments"]):
            segments = torch.tensor([segments[: len(row)]])
            labels.append(model(input_ids=torch.tensor([row]), token_type_ids=segments).logits)
    case = {"name": name, "base": base, "rows": case["rows"], "segments": case["segments"], "tensors": {"labels": rounded(torch.cat(labels))}}
    write(out / name / "outputs.json", [case])


def main(out: Path) -> None:
    logging.set_verbosity_error()
    torch.manual_seed(0)
    # Ranks and α of some modules are others.
    decoder(
        out, "llama", "peft-llama", task_type="CAUSAL_LM", r=2, lora_alpha=3,
        target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
        rank_pattern={"down_proj": 3, "layers.1.self_attn.q_proj": 1}, alpha_pattern={"up_proj": 5},
    )  # fmt: skip
    decoder(out, "llama", "peft-llama-dora", task_type="CAUSAL_LM", r=2, lora_alpha=3, use_dora=True, target_modules=["k_proj", "down_proj"])
    # Queries, keys and values are one module, whose matrices are as ours.
    decoder(out, "gpt2", "peft-gpt2", task_type="CAUSAL_LM", r=4, lora_alpha=4, use_rslora=True, fan_in_fan_out=True, target_modules=["c_attn", "c_proj", "c_fc"])
    decoder(out, "gpt2", "peft-gpt2-dora", task_type="CAUSAL_LM", r=2, lora_alpha=4, use_dora=True, fan_in_fan_out=True, target_modules=["c_attn"])
    # Queries, keys and values are one module, below each other.
    decoder(out, "phi3", "peft-phi3", task_type="CAUSAL_LM", r=2, lora_alpha=4, target_modules=["qkv_proj", "gate_up_proj"])
    encoder(out, "bert-classification", "peft-bert", r=2, lora_alpha=4, target_modules=["query", "value", "dense"], modules_to_save=["classifier"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
