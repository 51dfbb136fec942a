"""Exports golden models as graphs of ONNX, and asks ONNX Runtime for what transformers makes of the models.

    pip install -r golden/requirements.txt onnx==1.23.2 onnxruntime==1.32.0 && cargo build --release --package attentive-cli
    python check_onnx_exports.py [TARGET_FOLDER]
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoModelForSequenceClassification, logging

ALLOWED = 1e-4
GOLDEN = Path(__file__).parent / "golden"
DECODERS = "gpt2 llama mistral qwen2 qwen3 gemma gemma2 gemma3 phi phi3 gpt-neox opt starcoder2".split()
ENCODERS = "bert-model roberta-model xlm-roberta-model distilbert-model mpnet-model modernbert-model electra-discriminator".split()
CLASSIFIERS = "bert-classification distilbert-classification albert-classification modernbert-classification".split()
TRANSLATORS = "marian pegasus t5 byt5 bart mbart m2m100 nllb".split()


def exported(attentive: Path, name: str, folder: str) -> Path:
    run = lambda *args: subprocess.run([attentive, *map(str, args)], check=True, capture_output=True, cwd=folder)
    run("import", (GOLDEN / name).resolve(), "--out", "model")
    run("export", "--model", "model", "--format", "onnx", "--max-len", "64", "--out", "onnx")
    for file in (Path(folder) / "onnx").glob("*.onnx"):
        onnx.checker.check_model(str(file), full_check=True)
    return Path(folder) / "onnx"


def session(file: Path):
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return session, lambda inputs: dict(zip(names, session.run(None, inputs)))


def empty(session, batch: int, of: str) -> dict:
    caches = [input for input in session.get_inputs() if input.name.startswith("past_key_values") and of in input.name]
    return {input.name: np.zeros((batch, input.shape[1], 0, input.shape[3]), np.float32) for input in caches}


def past(found: dict) -> dict:
    return {name.replace("present", "past_key_values"): value for name, value in found.items() if name.startswith("present")}


def decoder(name: str, folder: Path) -> float:
    model = AutoModelForCausalLM.from_pretrained(GOLDEN / name).eval()
    ids = torch.randint(5, model.config.vocab_size, (2, 11), generator=torch.Generator().manual_seed(1))
    expected = model(ids).logits.detach().numpy()
    onnx_session, run = session(folder / "model.onnx")
    cache, found = empty(onnx_session, 2, ""), []
    for first, last in [(0, 6), (6, 7), (7, 11)]:
        inputs = {
            "input_ids": ids[:, first:last].numpy(),
            "attention_mask": np.ones((2, last), np.int64),
            "position_ids": np.tile(np.arange(first, last, dtype=np.int64), (2, 1)),
        }
        known = {input.name for input in onnx_session.get_inputs()}
        out = run({key: value for key, value in (inputs | cache).items() if key in known})
        cache = past(out)
        found.append(out["logits"])
    return np.abs(np.concatenate(found, 1)[..., : expected.shape[-1]] - expected).max()


def encoder(name: str, folder: Path, auto=AutoModel) -> float:
    model = auto.from_pretrained(GOLDEN / name).eval()
    ids = torch.randint(5, model.config.vocab_size, (2, 6), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[1, 4:] = 0
    # RoBERTa and its kin count positions by the padding token.
    ids[1, 4:] = model.config.pad_token_id or 0
    with torch.no_grad():
        expected = model(input_ids=ids, attention_mask=mask)
    onnx_session, run = session(folder / "model.onnx")
    inputs = {"input_ids": ids.numpy(), "attention_mask": mask.numpy(), "token_type_ids": np.zeros((2, 6), np.int64)}
    known = {input.name for input in onnx_session.get_inputs()}
    out = run({key: value for key, value in inputs.items() if key in known})
    if auto is AutoModelForSequenceClassification:
        return np.abs(out["logits"] - expected.logits.numpy()).max()
    real = mask.bool().numpy()
    return np.abs(out["last_hidden_state"] - expected.last_hidden_state.numpy())[real].max()


def translator(name: str, folder: Path) -> float:
    model = AutoModelForSeq2SeqLM.from_pretrained(GOLDEN / name).eval()
    random = torch.Generator().manual_seed(1)
    source, target = (torch.randint(5, model.config.vocab_size, shape, generator=random) for shape in [(2, 8), (2, 5)])
    mask = torch.ones_like(source)
    mask[1, 5:] = 0
    with torch.no_grad():
        expected = model(input_ids=source, attention_mask=mask, decoder_input_ids=target).logits.numpy()
    _, encode = session(folder / "encoder_model.onnx")
    of_source = past(encode({"input_ids": source.numpy(), "attention_mask": mask.numpy()}))
    onnx_session, run = session(folder / "decoder_model.onnx")
    cache, found = empty(onnx_session, 2, "decoder"), []
    for at in range(target.shape[1]):
        out = run({"input_ids": target[:, at : at + 1].numpy(), "encoder_attention_mask": mask.numpy()} | cache | of_source)
        cache = past(out)
        found.append(out["logits"])
    return np.abs(np.concatenate(found, 1)[..., : expected.shape[-1]] - expected).max()


def main() -> None:
    logging.set_verbosity_error()
    attentive = (Path(sys.argv[1] if len(sys.argv) > 1 else "target") / "release/attentive").resolve()
    kinds = [(DECODERS, decoder), (ENCODERS, encoder), (TRANSLATORS, translator)]
    cases = [(name, check) for names, check in kinds for name in names]
    cases += [(name, lambda name, folder: encoder(name, folder, AutoModelForSequenceClassification)) for name in CLASSIFIERS]
    failed = False
    for name, check in cases:
        if not (GOLDEN / name).is_dir():
            sys.exit(f"there is no golden model {name}")
        with tempfile.TemporaryDirectory() as folder:
            difference = check(name, exported(attentive, name, folder))
        failed |= not difference <= ALLOWED
        print(f"{name:<22} {difference:.1e}{'' if difference <= ALLOWED else '  TOO FAR'}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
