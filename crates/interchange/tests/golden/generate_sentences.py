"""Writes vectors of texts as sentence-transformers makes them of folders whose modules differ, around the model of
bert-model: the files of each folder, and its vectors.

    pip install -r requirements.txt && python generate_sentences.py OUT_DIR
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer
from transformers import logging

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "testkit/golden"))
from torch_golden import named, write

TEXTS = ["a", "the animal was too tired", "The STREET, wide: an end! unknown animal", "naïve end", ""]
OLD = "sentence_transformers.models."
NEW = "sentence_transformers.sentence_transformer.modules.pooling."
SWITCHES = ["cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"]


def modules(*others: str, place: str = "", pooling: str = OLD) -> list:
    """The rows of modules.json: a Transformer, its Pooling, and others."""
    rows = [(place, OLD + "Transformer"), ("1_Pooling", pooling + "Pooling")]
    rows += [(f"{n}_{name}", OLD + name) for n, name in enumerate(others, 2)]
    return [{"idx": n, "name": str(n), "path": path, "type": kind} for n, (path, kind) in enumerate(rows)]


def pooling(*on: str, **more) -> dict:
    """The settings of older versions, a switch for each way."""
    return {"word_embedding_dimension": 6} | {f"pooling_mode_{name}": name in on for name in SWITCHES} | more


def case(name: str, files: dict, place: str = "", prompt: str | None = None) -> dict:
    """What sentence-transformers makes of a folder with these files."""
    with tempfile.TemporaryDirectory() as place_of_all:
        folder = Path(place_of_all)
        shutil.copytree(HERE / "bert-model", folder / place, dirs_exist_ok=True)
        for file, content in files.items():
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_text(json.dumps(content))
        for path in folder.glob("*_Dense"):
            weights = {"linear.weight": named("weight", 4, 6).float(), "linear.bias": named("bias", 4).float()}
            if not files[f"{path.name}/config.json"]["bias"]:
                del weights["linear.bias"]
            save_file(weights, path / "model.safetensors")
        vectors = SentenceTransformer(place_of_all, device="cpu").encode(TEXTS, prompt_name=prompt)
    rounded = [[float(f"{value:.7g}") for value in vector] for vector in vectors.tolist()]
    return {"name": name, "files": files, "place": place, "prompt": prompt, "texts": TEXTS, "vectors": rounded}


def cases() -> list:
    plain, first = "1_Pooling/config.json", "sentence_bert_config.json"
    mean = {"modules.json": modules(), plain: pooling("mean_tokens")}
    of_prompts = {"prompts": {"query": "the end: ", "document": ""}, "default_prompt_name": None}
    settings = "config_sentence_transformers.json"
    every = [case(name, {"modules.json": modules(), plain: pooling(name)}) for name in SWITCHES]
    return every + [
        case("several", {"modules.json": modules(), plain: pooling("mean_tokens", "cls_token")}),
        case("by name", {
            "modules.json": modules("Normalize", pooling=NEW),
            plain: {"embedding_dimension": 6, "pooling_mode": "weightedmean", "include_prompt": True},
            first: {
                "transformer_task": "feature-extraction",
                "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
                "module_output_name": "token_embeddings",
            },
            settings: {"model_type": "SentenceTransformer", "prompts": {"query": "", "document": ""},
                       "default_prompt_name": None, "similarity_fn_name": "cosine"},
        }),
        case("unit", mean | {"modules.json": modules("Dropout", "Normalize"), "2_Dropout/config.json": {"dropout": 0.1}}),
        *(
            case(f"dense {name}", mean | {
                "modules.json": modules("Dense", "Normalize"),
                "2_Dense/config.json": {"in_features": 6, "out_features": 4, "bias": bias, "activation_function": name},
            })
            for name, bias in [
                ("torch.nn.modules.activation.Tanh", True), ("torch.nn.modules.linear.Identity", False),
                ("torch.nn.modules.activation.ReLU", True),
            ]
        ),
        case("cut", mean | {first: {"max_seq_length": 5, "do_lower_case": False}}),
        case("cut by the model", mean | {first: {"do_lower_case": False}}),
        case("lower case", mean | {first: {"max_seq_length": 10, "do_lower_case": True}}),
        case("a folder inside", {"modules.json": modules(place="0_Transformer"), plain: pooling("mean_tokens")},
             place="0_Transformer"),
        case("asked for a prompt", mean | {settings: of_prompts}, prompt="query"),
        case("always a prompt", mean | {settings: of_prompts | {"default_prompt_name": "query"}}),
        case("a prompt left out", mean | {
            plain: pooling("weightedmean_tokens", "cls_token", include_prompt=False),
            settings: of_prompts | {"default_prompt_name": "query"},
        }),
        *(
            case(f"a prompt that fills the row, {way}", mean | {
                plain: pooling(way, include_prompt=False), first: {"max_seq_length": 4, "do_lower_case": False},
                settings: of_prompts | {"default_prompt_name": "query"},
            })
            for way in ["mean_tokens", "lasttoken"]
        ),
    ]  # fmt: skip


if __name__ == "__main__":
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    write(Path(sys.argv[1]) / "sentences.json", cases())
