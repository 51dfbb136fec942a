"""Writes the goldens of pictures: what Pillow decodes and resizes, and what transformers' processors make of pictures.

    pip install -r requirements.txt && python generate.py OUT_DIR

Pictures are made by formula, so that the tests make the same ones. The processors are those of transformers that use Pillow.
"""

import json
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from transformers import DeiTImageProcessorPil, ViTImageProcessorPil

FILTERS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}


def pixels(height: int, width: int, channels: int) -> np.ndarray:
    """Steps, slopes and detail: value `n` is `(n² · 31 + n · 17) >> 3 mod 256`, but black and white in two blocks."""
    n = np.arange(height * width * channels, dtype=np.int64)
    values = ((n * n * 31 + n * 17) >> 3).reshape(height, width, channels) % 256
    values[: height // 3, : width // 3] = 255
    values[-(height // 3) :, : width // 2] = 0
    return values.astype(np.uint8)


def picture(array: np.ndarray) -> Image.Image:
    return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)


def numbers(array) -> list:
    return np.asarray(array).flatten().tolist()


def resized() -> list:
    cases = []
    for channels, old, new in [(3, (9, 7), (4, 5)), (3, (7, 9), (5, 4)), (3, (5, 6), (11, 13)), (1, (12, 5), (5, 5)), (1, (3, 3), (3, 8))]:
        for name, number in FILTERS.items():
            image = picture(pixels(*old, channels)).resize((new[1], new[0]), number)
            cases.append({"old": old, "new": new, "channels": channels, "filter": name, "box": None, "pixels": numbers(image)})
    box = (1, 2, 6, 7)
    for name, number in FILTERS.items():
        image = picture(pixels(9, 7, 3)).resize((4, 6), number, box=box)
        cases.append({"old": (9, 7), "new": (6, 4), "channels": 3, "filter": name, "box": box, "pixels": numbers(image)})
    return cases


def processed() -> list:
    normal = dict(image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225])
    processors = [
        ("vit", (9, 13), ViTImageProcessorPil(size={"height": 8, "width": 8})),
        ("vit-up", (5, 4), ViTImageProcessorPil(size={"height": 8, "width": 8}, **normal, resample=3)),
        ("deit", (14, 9), DeiTImageProcessorPil(size={"height": 10, "width": 10}, crop_size={"height": 8, "width": 8}, **normal)),
        ("deit-small", (6, 7), DeiTImageProcessorPil(do_resize=False, crop_size={"height": 9, "width": 6})),
        ("shorter", (9, 13), DeiTImageProcessorPil(size={"shortest_edge": 8}, crop_size={"height": 8, "width": 8}, **normal)),
        ("shorter-tall", (13, 8), DeiTImageProcessorPil(size={"shortest_edge": 6}, do_center_crop=False)),
        ("raw", (4, 4), ViTImageProcessorPil(do_resize=False, do_normalize=False)),
    ]
    cases = []
    for name, size, processor in processors:
        values = processor(picture(pixels(*size, 3)), return_tensors="np")["pixel_values"][0]
        tensors = {"values": [float(f"{x:.9g}") for x in values.flatten().tolist()]}
        cases.append({"name": name, "old": size, "shape": values.shape, "tensors": tensors})
    return cases


def files(out: Path) -> list:
    """Small files of every format, and what Pillow decodes."""
    rgb, grey = picture(pixels(7, 9, 3)), picture(pixels(7, 9, 1))
    across, down = np.meshgrid(np.arange(24) * 9, np.arange(16) * 12)
    smooth = Image.fromarray(np.stack([across, down, np.full_like(down, 90)], -1).astype(np.uint8))
    with_alpha = rgb.copy()
    with_alpha.putalpha(grey)
    turned = smooth.getexif()
    turned[0x0112] = 6
    made = [
        ("rgb.png", rgb, {}), ("grey.png", grey, {}), ("alpha.png", with_alpha, {}), ("palette.png", rgb.quantize(16), {}),
        ("bits.png", grey.convert("1"), {}), ("rgb.bmp", rgb, {}), ("rgb.gif", rgb.quantize(16), {}),
        ("rgb.webp", rgb, {"lossless": True}), ("smooth.jpg", smooth, {"quality": 95, "subsampling": 0}),
        ("turned.jpg", smooth, {"quality": 95, "subsampling": 0, "exif": turned}),
    ]  # fmt: skip
    cases = []
    for name, image, options in made:
        image.save(out / name, **options)
        read = Image.open(out / name)
        read = read.transpose(Image.Transpose.ROTATE_270) if name == "turned.jpg" else read
        read = read.convert("L" if name in ["grey.png", "bits.png"] else "RGB")
        cases.append({"file": name, "size": (read.height, read.width), "pixels": numbers(read), "grey": numbers(read.convert("L"))})
    buffer = BytesIO()
    smooth.save(buffer, "JPEG", quality=95)
    (out / "cut.jpg").write_bytes(buffer.getvalue()[:-60])
    return cases


def write(path: Path, cases: list) -> None:
    lines = (json.dumps(case, separators=(",", ":")) for case in cases)
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    out = Path(sys.argv[1])
    out.mkdir(exist_ok=True)
    write(out / "resized.json", resized())
    write(out / "processed.json", processed())
    write(out / "files.json", files(out))
