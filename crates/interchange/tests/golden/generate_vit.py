"""Writes the goldens of ViT and DeiT: tiny models of transformers with weights by formula, and what they compute.

    pip install -r requirements.txt && python generate_vit.py OUT_DIR
"""

import sys
from pathlib import Path

import torch
from transformers import (
    DeiTConfig,
    DeiTForImageClassification,
    DeiTForImageClassificationWithTeacher,
    DeiTImageProcessorPil,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessorPil,
    ViTModel,
)

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "testkit/golden"))
from torch_golden import named, write

torch.set_num_threads(1)
SIZES = dict(
    hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=12, image_size=12, patch_size=4,
)  # fmt: skip
NAMES = ["cat", "dog", "neither"]
LABELS = dict(id2label=dict(enumerate(NAMES)), label2id={name: n for n, name in enumerate(NAMES)})


def model(folder: Path, model_class, config_class, processor, **settings) -> None:
    """A folder as `save_pretrained` writes it, and outputs for pictures of the model's size and, interpolated, of others."""
    folder.mkdir(exist_ok=True)
    config = config_class(**{**SIZES, **settings})
    net = model_class(config).eval()
    state = {
        name: named(name, *tensor.shape, scale=0.5, offset=float("layernorm" in name and name.endswith("weight"))).float()
        for name, tensor in net.state_dict().items()
    }
    net.load_state_dict(state)
    net.save_pretrained(folder)
    processor.save_pretrained(folder)
    cases = []
    for height, width in [(12, 12), (16, 16), (8, 20)]:
        values = named(f"pictures {height} {width}", 2, config.num_channels, height, width).float()
        with torch.no_grad():
            out = net(values, interpolate_pos_encoding=True, output_attentions=False)
        if model_class is ViTModel:
            tensors = {"hidden": out.last_hidden_state, "pooled": out.pooler_output}
        else:
            tensors = {"logits": out.logits}
        rounded = {name: [float(f"{x:.7g}") for x in tensor.flatten().tolist()] for name, tensor in tensors.items()}
        cases.append({"size": [height, width], "tensors": rounded})
    write(folder / "outputs.json", cases)


if __name__ == "__main__":
    out = Path(sys.argv[1])
    square = ViTImageProcessorPil(size={"height": 12, "width": 12})
    cropped = DeiTImageProcessorPil(
        size={"height": 16, "width": 16}, crop_size={"height": 12, "width": 12}, image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )  # fmt: skip
    model(out / "vit", ViTModel, ViTConfig, square)
    grey = ViTImageProcessorPil(size={"height": 12, "width": 12}, image_mean=[0.5], image_std=[0.25], resample=3)
    options = dict(num_channels=1, qkv_bias=False, hidden_act="relu", layer_norm_eps=1e-6)
    model(out / "vit-classification", ViTForImageClassification, ViTConfig, grey, **options, **LABELS)
    model(out / "deit-classification", DeiTForImageClassification, DeiTConfig, cropped, **LABELS)
    model(out / "deit-teacher", DeiTForImageClassificationWithTeacher, DeiTConfig, cropped, **LABELS)
