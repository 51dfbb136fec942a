"""Imports the golden folders of BART, mBART, mBART-50, M2M100 and NLLB, exports them again, and asks transformers whether both
folders are the same model and the same tokenizer.

    pip install -r golden/requirements.txt
    cargo build --release --package attentive-cli
    python check_multilingual_exports.py [TARGET_FOLDER]

Ids and what greedy and beam searches write must be equal, logits within 1e-5.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, logging

FOLDERS = {
    "bart": ("bart", None), "mbart": ("mbart", ("en_XX", "de_DE")), "mbart50": ("mbart", ("en_XX", "de_DE")),
    "m2m100": ("m2m_100", ("en", "de")), "nllb": ("m2m_100", ("eng_Latn", "deu_Latn")),
}  # fmt: skip
TEXTS = [
    "the animal was too tired", "das Tier war zu müde", "  two  spaces ", "日本 ☃ x", "a wide street, an old house", "", "er ist",
    "breite Straße\tund\nZeile", "UPPER lower 123 !?", "e\u0301 ﬁ …",
]  # fmt: skip
ALLOWED = 1e-5


def main() -> None:
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    attentive = Path(sys.argv[1] if len(sys.argv) > 1 else "target") / "release/attentive"
    failed = False
    for name, (kind, languages) in FOLDERS.items():
        original = Path(__file__).parent / "golden" / name
        with tempfile.TemporaryDirectory() as folder:
            run([attentive, "import", original, "--out", f"{folder}/ours"])
            run([attentive, "export", "--model", f"{folder}/ours", "--format", kind, "--out", f"{folder}/theirs"])
            n_texts, n_searches, error = compare(original, Path(folder) / "theirs", languages)
        failed |= error > ALLOWED
        print(f"{name}: {n_texts} texts have equal ids, {n_searches} searches write the same, logits within {error:.1e}")
    sys.exit(failed)


def run(command: list) -> None:
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def compare(original: Path, exported: Path, languages) -> tuple:
    tokenizers = [AutoTokenizer.from_pretrained(str(folder)) for folder in (original, exported)]
    models = [AutoModelForSeq2SeqLM.from_pretrained(str(folder)).eval() for folder in (original, exported)]
    n_texts, n_searches, error = 0, 0, 0.0
    for source, target in [languages, languages[::-1]] if languages else [(None, None)]:
        for text in TEXTS:
            if source:
                for tokenizer in tokenizers:
                    tokenizer.src_lang = source
            ids, again = [tokenizer(text)["input_ids"] for tokenizer in tokenizers]
            assert ids == again, (exported, text, ids, again)
            n_texts += 1
            batch = torch.tensor([ids])
            start = models[0].config.decoder_start_token_id
            with torch.no_grad():
                one, other = [model(batch, decoder_input_ids=torch.tensor([[start, 5, 9]])).logits for model in models]
            error = max(error, (one - other).abs().max().item())
            for search in [{"num_beams": 1}, {"num_beams": 3, "length_penalty": 1.5}]:
                found = [generate(model, tokenizer, batch, target, search) for model, tokenizer in zip(models, tokenizers)]
                assert found[0] == found[1], (exported, text, found)
                n_searches += 1
    return n_texts, n_searches, error


def generate(model, tokenizer, ids, target, search: dict) -> list:
    """What a search writes under one set of rules, those of the exported folder apart."""
    if target and model.config.decoder_start_token_id != 2:
        first = {"decoder_start_token_id": tokenizer.convert_tokens_to_ids(target)}
    elif target:
        id_of = getattr(tokenizer, "get_lang_id", tokenizer.convert_tokens_to_ids)
        first = {"forced_bos_token_id": id_of(target)}
    else:
        first = {}
    rules = dict(do_sample=False, max_new_tokens=10, max_length=None, suppress_tokens=None, bad_words_ids=None, forced_eos_token_id=None)
    with torch.no_grad():
        return model.generate(ids, attention_mask=torch.ones_like(ids), **rules, **search, **first)[0].tolist()


if __name__ == "__main__":
    main()
