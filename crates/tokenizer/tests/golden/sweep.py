"""Writes folders of models for every class of tokenizer that transformers reads, and what it makes of 2,000 texts with each.

    pip install -r requirements-sweep.txt && python sweep.py OUT_DIR [NAME…]

Each folder is OUT_DIR/NAME, and OUT_DIR/NAME.json has the ids. `cargo xtask golden --check` runs this and then
`tests/sweep.rs` over the folders. Vocabularies are learned here, from texts made here.
"""

import copy
import io
import json
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import sentencepiece
import transformers
from sentencepiece import sentencepiece_model_pb2 as model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer

from texts import cases, corpus

N_TEXTS = 2000

WORDS = {
    "latin": "the The COVID animal didn't street it's we'll THEY'RE naïve café Ångström ﬁne über größte Straße İstanbul ẞ"
    " unbelievable ﬃ ǆ ß ſ K Å weiß fjord œuvre".split(),
    "greek": "ΣΊΣΥΦΟΣ λόγος Ἀθῆναι και".split(),
    "cyrillic": "Привет мир ёлка Ёж їжак".split(),
    "cjk": "日本語 中文 没有空格 が ガ ｶﾞ か\u3099 漢字かな交じり文 한국어 한 글 ㍿ ㈱ 﨑 𠮷野家 豈".split(),
    "rtl": "שלום עִבְרִית العربية مَرْحَبًا ﷺ لا".split(),
    "indic": "हिन्दी पाठ தமிழ் ไทย ภาษา ກ မြန်မာ".split(),
    "emoji": "👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪 👍🏽 ☃ 😀 ❤️ 🤷🏿‍♀️ ©️".split(),
    "digits": "0 7 42 1984 3.14 12,500 １２３ Ⅻ ½ ² ٣٤ १२ 1e-9 ①".split(),
    "code": "if(x==1){ return; } a_b c=d&e=f#g x@y.z C:\\path $9.99 50% #1 ## ##ing # for(;;) </w> @@ ￭ __init__ \\n &amp;".split(),
    "marks": "e\u0301 n\u0303 a\u0308\u0323 \u0301 q\u0307\u0323 \u0e33 \u0f73 \u1e9b\u0323 ﬅ ´ ` ¨ ﾞ".split(),
    "pieces": "▁ ▁▁ Ġ Ċ Ġthe ▁the <0x41> <0x0A> <unk> \u2047".split(),
}
SPECIALS = (
    "<s> </s> <pad> <unk> <mask> [CLS] [SEP] [PAD] [UNK] [MASK] <|endoftext|> <|startoftext|> <extra_id_0> <extra_id_99> <cls> <sep>"
    " <new> [NEW] <|im_start|> <mask_1> >>de<< en_XX eng_Latn __en__ <2de> <pad><s> <S> [mask] <eos> <bos> <s>NOTUSED <unk_2> wide"
).split()
SPACES = [" "] * 12 + ["", "", "  ", "   ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "\u2003", "\n\n", " \n", "\u200b", "\u2028", "\u0085", "\x0b", "\x1c"]
ODD = ["\u0001", "\u001f", "\u007f", "\u00ad", "\u200d", "\u200c", "\ufeff", "\ufffd", "\ue000", "\U0010fffd", "\u202e", "\u180e", "\ufe0f", "\u0300", "\u061c"]
PUNCTUATION = list(".,;:!?'\"()[]{}-–—…/«»„“”‘’。、！？·*+=<>~^|") + ["...", "--", "!!", "?!"]


def texts(n: int = N_TEXTS, seed: int = 1) -> list[str]:
    """Mixed texts: the cases of the other goldens, then words of every script between white space of every kind."""
    rng = random.Random(seed)
    # Words that no vocabulary learns.
    specials = SPECIALS + ["zqword", "ZqWord"] * (seed == 1)
    result = [text for text in cases() if "\x00" not in text] if seed == 1 else []
    kinds = list(WORDS)
    lines = corpus(200)
    while len(result) < n:
        draw = rng.random()
        if draw < 0.25:
            line = rng.choice(lines)
            cut = rng.randrange(len(line) + 1)
            result.append(rng.choice(["", " ", "  "]) + line[:cut] + rng.choice(SPACES) + line[cut:] + rng.choice(["", " ", "\n", "  "]))
            continue
        mixed = kinds if draw < 0.7 else rng.sample(kinds, 2)
        text = rng.choice(["", "", "", " ", "  ", "\n", "\t"])
        for _ in range(rng.randrange(1, 12)):
            what = rng.random()
            if what < 0.68:
                word = rng.choice(WORDS[rng.choice(mixed)])
                text += rng.choice([word, word, word, word.upper(), word.lower(), word.capitalize()])
            elif what < 0.8:
                text += rng.choice(PUNCTUATION)
            elif what < 0.9:
                text += rng.choice(specials)
            elif what < 0.93:
                text += rng.choice(ODD)
            elif what < 0.94:
                text += rng.choice(["a", "ab", "漢", "e\u0301", "1", "ﬁ", "-"]) * rng.choice([50, 101, 120, 300])
            elif what < 0.97:
                text += chr(rng.choice([rng.randrange(0xA0, 0x3000), rng.randrange(0x20, 0x7F), rng.randrange(0x1F000, 0x1FA00)]))
            else:
                text += "".join(rng.choice(WORDS[rng.choice(mixed)]) for _ in range(rng.randrange(2, 9)))
            text += rng.choice(SPACES)
        result.append(text)
    return result


LEARNED_FROM = corpus(400) + [text for text in texts(600, seed=2)]


def byte_level(size: int = 900, specials=(), first: bool = True) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges of byte-level BPE; special tokens first or last."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=[], show_progress=False
    )
    tokenizer.train_from_iterator(LEARNED_FROM, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    names = sorted(model["vocab"], key=model["vocab"].get)
    names = [*specials, *names] if first else [*names, *specials]
    return {name: id for id, name in enumerate(names)}, [tuple(pair) for pair in model["merges"]]


def wordpiece(lowercase: bool, size: int = 700, specials=("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")) -> list[str]:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=list(specials), show_progress=False)
    tokenizer.train_from_iterator(LEARNED_FROM, trainer)
    vocab = tokenizer.get_vocab()
    return sorted(vocab, key=vocab.get)


def sentencepiece_model(kind: str = "unigram", size: int = 900, **settings) -> bytes:
    lines = [line for text in LEARNED_FROM for line in text.splitlines() if line.strip()]
    file = io.BytesIO()
    defaults = dict(
        vocab_size=size, model_type=kind, character_coverage=0.995, num_threads=1, minloglevel=2, hard_vocab_limit=False,
        max_sentence_length=100000,
    )
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(lines), model_writer=file, **defaults | settings)
    return file.getvalue()


T5_ORDER = dict(pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
PEGASUS_ORDER = T5_ORDER
ALBERT_ORDER = dict(pad_id=0, unk_id=1, bos_id=-1, eos_id=-1, user_defined_symbols=[], control_symbols=["[CLS]", "[SEP]", "[MASK]"])


class Cache(dict):
    def __missing__(self, key):
        kind, items = key
        settings = {name: list(value) if isinstance(value, tuple) else value for name, value in items}
        self[key] = sentencepiece_model(kind, **settings)
        return self[key]


CACHE = Cache()


def spm(kind: str = "unigram", **settings) -> bytes:
    frozen = tuple(sorted((name, tuple(value) if isinstance(value, list) else value) for name, value in settings.items()))
    return CACHE[kind, frozen]


def lines(names) -> str:
    return "".join(f"{name}\n" for name in names)


def merges_txt(merges, head: str = "#version: 0.2\n") -> str:
    return head + "".join(f"{left} {right}\n" for left, right in merges)


def gpt2_files(specials=("<|endoftext|>",), first=False, vocab_name="vocab.json", merges_name="merges.txt", lacking=()) -> dict:
    vocab, merges = byte_level(specials=specials, first=first)
    if lacking:
        names = [name for name in vocab if not any(c in name for c in lacking)]
        vocab = {name: id for id, name in enumerate(names)}
        merges = [pair for pair in merges if all(part in vocab for part in (*pair, "".join(pair)))]
    return {vocab_name: vocab, merges_name: merges_txt(merges)}


ROBERTA = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
token = lambda content, **flags: dict(content=content, lstrip=False, rstrip=False, single_word=False, normalized=False, special=False) | flags


def added(n: int, *tokens) -> dict:
    return {"added_tokens_decoder": {str(n + at): entry for at, entry in enumerate(tokens)}}


def clip_files() -> dict:
    tokenizer = Tokenizer(models.BPE(unk_token="<|endoftext|>", end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.WhitespaceSplit(), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(LEARNED_FROM, trainers.BpeTrainer(
        vocab_size=1200, initial_alphabet=alphabet, end_of_word_suffix="</w>", show_progress=False))
    model = json.loads(tokenizer.to_str())["model"]
    names = sorted(alphabet) + [c + "</w>" for c in sorted(alphabet)]
    names += [name for name in sorted(model["vocab"], key=model["vocab"].get) if name not in set(names)]
    names += ["<|startoftext|>", "<|endoftext|>"]
    return {"vocab.json": {name: id for id, name in enumerate(names)}, "merges.txt": merges_txt(map(tuple, model["merges"]))}


def tokenizer_json(kind: str, **changes) -> dict:
    """A tokenizer.json made with the library, as models are published that have no class of their own."""
    end = "<|endoftext|>"
    if kind == "wordlevel":
        vocab = {name: id for id, name in enumerate(["[UNK]", *dict.fromkeys(" ".join(corpus(400)).split())])}
        tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        return json.loads(tokenizer.to_str())
    vocab, merges = byte_level(specials=(end,), first=changes.get("first", True))
    drop = changes.get("lacking", ())
    names = [name for name in vocab if not any(c in name for c in drop)]
    vocab = {name: id for id, name in enumerate(names)}
    merges = [pair for pair in merges if all(part in vocab for part in (*pair, "".join(pair)))]
    tokenizer = Tokenizer(models.BPE(vocab, merges, ignore_merges=kind == "llama3"))
    if kind == "smollm":
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    elif kind in ("llama3", "qwen2"):
        digits = "1,3" if kind == "llama3" else "1"
        pattern = (
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{%s}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+" % digits)
        if kind == "qwen2":
            tokenizer.normalizer = normalizers.NFC()
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    elif kind == "tekken":
        upper, lower = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
        pattern = (
            rf"[^\r\n\p{{L}}\p{{N}}]?{upper}*{lower}+|[^\r\n\p{{L}}\p{{N}}]?{upper}+{lower}*|\p{{N}}|"
            r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    elif kind in ("neox", "pythia", "modernbert"):
        tokenizer.normalizer = normalizers.NFC()
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=changes.get("prefix", False))
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([end])
    if kind in ("pythia", "modernbert"):
        # White space that is a token.
        tokenizer.add_tokens([AddedToken(" " * n, normalized=True) for n in range(24, 1, -1)])
    if kind == "modernbert":
        names = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]
        tokenizer.add_special_tokens([AddedToken(name, lstrip=name == "[MASK]", special=True) for name in names])
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
            special_tokens=[(name, tokenizer.token_to_id(name)) for name in names[1:3]])
    if changes.get("frame"):
        tokenizer.post_processor = processors.TemplateProcessing(single=f"{end} $A", special_tokens=[(end, vocab[end])])
    return json.loads(tokenizer.to_str())


def saved_files(files: dict) -> dict:
    """The files that transformers saves of a folder with these, JSON as values."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, again = Path(scratch) / "a", Path(scratch) / "b"
        write(folder, files)
        AutoTokenizer.from_pretrained(str(folder)).save_pretrained(str(again))
        found = {path.name: path.read_bytes() for path in sorted(again.iterdir())}
    found = {name: json.loads(content) if name.endswith(".json") else content for name, content in found.items()}
    return found | {"config.json": files["config.json"]} if "config.json" in files else found


def changed(files: dict, settings: dict = {}, without=(), **parts) -> dict:
    """Saved files with other settings beside them, and other parts of tokenizer.json."""
    files = saved_files(files)
    config = {key: value for key, value in files["tokenizer_config.json"].items() if key not in without}
    return files | {"tokenizer_config.json": config | settings, "tokenizer.json": files["tokenizer.json"] | parts}


def folders() -> dict:
    """Folders by name: functions that give their files."""
    bert = lambda lowercase=True, kind="bert", names=None, **settings: {
        "config.json": {"model_type": kind}, "vocab.txt": lines(names or wordpiece(lowercase)),
        "tokenizer_config.json": settings,
    }
    gpt2 = lambda kind="gpt2", specials=("<|endoftext|>",), first=False, lacking=(), **settings: {
        "config.json": {"model_type": kind}, **gpt2_files(specials, first, lacking=lacking), "tokenizer_config.json": settings,
    }
    roberta = lambda kind="roberta", **settings: gpt2(kind, ROBERTA, True, **settings)
    unigram = lambda name, model, kind, **settings: {
        "config.json": {"model_type": kind}, name: model, "tokenizer_config.json": settings,
    }
    gpt2_size = len(byte_level()[0]) + 1
    bert_size = len(wordpiece(True))
    result = {
        # WordPiece.
        "bert_uncased": lambda: bert(do_lower_case=True),
        "bert_cased": lambda: bert(False, do_lower_case=False),
        "bert_cased_class": lambda: bert(False, do_lower_case=False, tokenizer_class="BertTokenizer"),
        "bert_no_setting": lambda: bert(),
        "bert_accents_kept": lambda: bert(do_lower_case=True, strip_accents=False),
        "bert_accents_stripped": lambda: bert(False, do_lower_case=False, strip_accents=True),
        "bert_chinese_whole": lambda: bert(False, do_lower_case=False, tokenize_chinese_chars=False),
        "bert_one_capital": lambda: bert(names=wordpiece(True) + ["COVID"]),
        "bert_names": lambda: bert(names=[{"[PAD]": "<pad>", "[UNK]": "<unk>", "[CLS]": "<s>", "[SEP]": "</s>", "[MASK]": "<mask>"}.get(n, n)
                                          for n in wordpiece(True)],
                                   pad_token="<pad>", unk_token="<unk>", cls_token="<s>", sep_token="</s>", mask_token="<mask>"),
        "bert_added": lambda: bert(**added(bert_size, token("<new>", special=True), token("zqword", single_word=True),
                                           token("ZqWord", normalized=True), token("[NEW]", lstrip=True, rstrip=True))),
        "bert_added_cased": lambda: bert(False, do_lower_case=False, **added(len(wordpiece(False)), token("<new>", special=True),
                                           token("zqword", single_word=True, normalized=True), token("ZqWord", normalized=True))),
        "bert_added_json": lambda: bert() | {"added_tokens.json": {"[NEW]": bert_size, "zqword": bert_size + 1},
                                             "special_tokens_map.json": {"additional_special_tokens": ["[NEW]"]}},
        "bert_extra": lambda: bert(extra_special_tokens=["[NEW]", "<new>"]),
        "bert_mask_lstrip": lambda: bert(mask_token=token("[MASK]", lstrip=True, special=True, __type="AddedToken")),
        "bert_duplicates": lambda: bert(names=wordpiece(True) + ["", "the", "street  ", "##ing ", "wide", ""]),
        "bert_lower_tokens": lambda: bert(names=wordpiece(True) + ["##the", "[UNUSED1]", "[unused2]"]),
        "bert_pad_elsewhere": lambda: bert(names=wordpiece(True, specials=("[UNK]", "[SEP]", "[MASK]", "[CLS]", "[PAD]"))),
        "bert_without_mask": lambda: bert(names=[n for n in wordpiece(True) if n != "[MASK]"]),
        **{kind: (lambda kind=kind: bert(kind=kind, do_lower_case=True)) for kind in [
            "distilbert", "electra", "mobilebert", "convbert", "layoutlm", "lxmert", "squeezebert", "megatron-bert", "nezha",
            "retribert", "visual_bert", "nomic_bert", "tapas", "splinter", "roformer", "prophetnet", "ernie", "realm"]},
        "mpnet": lambda: bert(kind="mpnet", names=["<s>", "<pad>", "</s>", "[UNK]", *wordpiece(True)[5:], "<mask>"]),
        "funnel": lambda: bert(kind="funnel", names=["<pad>", "<unk>", "<cls>", "<sep>", "<mask>", "<s>", "</s>", *wordpiece(True)[5:]]),
        # Byte-level BPE.
        "gpt2": lambda: gpt2(),
        "gpt2_class": lambda: gpt2(tokenizer_class="GPT2Tokenizer"),
        "gpt2_prefix_space": lambda: gpt2(add_prefix_space=True),
        "gpt2_bos_eos": lambda: gpt2(add_bos_token=True, add_eos_token=True),
        "gpt2_bos": lambda: gpt2(add_bos_token=True),
        "gpt2_names": lambda: gpt2(specials=("<s>", "</s>", "<unk>", "<pad>"), bos_token="<s>", eos_token="</s>", unk_token="<unk>",
                                   pad_token="<pad>"),
        "gpt2_few_bytes": lambda: gpt2(lacking="ĄąĆćõöÃ"),
        "gpt2_few_bytes_unk": lambda: gpt2(specials=("<unk>", "<s>", "</s>"), lacking="ĄąĆćõöÃ", unk_token="<unk>", bos_token="<s>",
                                           eos_token="</s>"),
        "gpt2_added": lambda: gpt2(**added(gpt2_size, token("<new>", special=True, lstrip=True), token("zqword", single_word=True),
                                           token("ZqWord", normalized=True, rstrip=True), token("[NEW]", lstrip=True, rstrip=True),
                                           token(" wide", normalized=True), token("\u3000"), token("日本"))),
        "gpt2_added_prefix": lambda: gpt2(add_prefix_space=True, **added(
            gpt2_size, token("<new>", special=True, lstrip=True), token("zqword", single_word=True, normalized=True),
            token(" ZqWord", normalized=True))),
        "gpt2_added_json": lambda: gpt2() | {"added_tokens.json": {"<new>": gpt2_size, "[NEW]": gpt2_size + 1},
                                             "special_tokens_map.json": {"pad_token": "[NEW]", "bos_token": "<|endoftext|>"}},
        "gpt2_pad_new": lambda: gpt2(pad_token="<pad>"),
        "gpt2_no_version": lambda: gpt2() | {"merges.txt": merges_txt(byte_level()[1], "")},
        "gpt2_split": lambda: gpt2(split_special_tokens=True),
        **{kind: (lambda kind=kind: gpt2(kind)) for kind in ["codegen", "gptj", "gpt_neo", "opt", "phi", "starcoder2", "gpt_bigcode"]},
        "opt_bos": lambda: gpt2("opt", ("<s>", "<pad>", "</s>", "<unk>"), True, tokenizer_class="GPT2Tokenizer", add_bos_token=True,
                                bos_token="</s>", eos_token="</s>", unk_token="</s>", pad_token="<pad>"),
        "qwen2": lambda: gpt2("qwen2", tokenizer_class="Qwen2Tokenizer"),
        "qwen3": lambda: gpt2("qwen3", tokenizer_class="Qwen2Tokenizer", add_prefix_space=False,
                              **added(gpt2_size, token("<|im_start|>", special=True))),
        "qwen2_no_class": lambda: gpt2("qwen2"),
        "whisper": lambda: gpt2("whisper", tokenizer_class="WhisperTokenizer", **added(gpt2_size, *(
            token(f"<|{name}|>", special=True) for name in ["startoftranscript", "en", "de", "translate", "transcribe", "notimestamps"]))),
        "gpt_neox": lambda: gpt2("gpt_neox", tokenizer_class="GPTNeoXTokenizer"),
        "deberta": lambda: gpt2("deberta", ("[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"), True),
        "blenderbot": lambda: roberta("blenderbot"),
        "roberta": lambda: roberta(),
        "roberta_prefix": lambda: roberta(add_prefix_space=True),
        "roberta_mask": lambda: roberta() | {"special_tokens_map.json": {"mask_token": token("<mask>", lstrip=True)}},
        "roberta_mask_config": lambda: roberta(mask_token=token("<mask>", lstrip=True, special=True, __type="AddedToken")),
        "roberta_added": lambda: roberta(**added(len(byte_level()[0]) + 5, token("<new>", special=True, rstrip=True),
                                                 token("zqword", lstrip=True))),
        "roberta_extra": lambda: roberta(additional_special_tokens=["<new>", "[NEW]"]),
        **{kind: (lambda kind=kind: roberta(kind)) for kind in ["bart", "longformer", "led", "mvp", "ibert", "roberta-prelayernorm"]},
        "bart_class": lambda: roberta("bart", tokenizer_class="BartTokenizer"),
        "mbart_of_bart": lambda: roberta("bart", tokenizer_class="BartTokenizerFast", add_prefix_space=False),
        "clip": lambda: {"config.json": {"model_type": "clip"}, **clip_files()},
        "clip_class": lambda: {"tokenizer_config.json": {"tokenizer_class": "CLIPTokenizer"}, **clip_files()},
        # tokenizer.json alone, or beside the settings of published models.
        **{f"json_{kind}": (lambda kind=kind: {"tokenizer.json": tokenizer_json(kind)})
           for kind in ["wordlevel", "gpt2", "smollm", "llama3", "qwen2", "neox", "tekken", "pythia", "modernbert"]},
        "json_modernbert_class": lambda: {"tokenizer.json": tokenizer_json("modernbert"), "config.json": {"model_type": "modernbert"},
                                          "tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast", "cls_token": "[CLS]", "sep_token": "[SEP]",
                                                                    "mask_token": "[MASK]", "pad_token": "[PAD]", "unk_token": "[UNK]"}},
        "json_chat": lambda: {"tokenizer.json": tokenizer_json("qwen2"), "config.json": {"model_type": "qwen3"},
                              "tokenizer_config.json": {"tokenizer_class": "Qwen2Tokenizer", "extra_special_tokens": ["<|im_start|>", "<2de>"]}},
        **{f"json_{kind}_backend": (lambda kind=kind: {"tokenizer.json": tokenizer_json(kind, frame=True), "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}})
           for kind in ["gpt2", "smollm", "llama3"]},
        "json_smollm_gpt2_class": lambda: {"tokenizer.json": tokenizer_json("smollm"), "config.json": {"model_type": "llama"},
                                           "tokenizer_config.json": {"tokenizer_class": "GPT2Tokenizer"}},
        "json_smollm_few_bytes": lambda: {"tokenizer.json": tokenizer_json("smollm", lacking="ĄąĆćõöÃ"),
                                          "tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "<|endoftext|>"}},
        "json_llama3_llama_class": lambda: {"tokenizer.json": tokenizer_json("llama3"), "config.json": {"model_type": "llama"},
                                            "tokenizer_config.json": {"tokenizer_class": "LlamaTokenizerFast"}},
        "json_llama3_llama": lambda: {"tokenizer.json": tokenizer_json("llama3"), "config.json": {"model_type": "llama"}},
        "json_qwen2_class": lambda: {"tokenizer.json": tokenizer_json("qwen2"), "config.json": {"model_type": "qwen2"},
                                     "tokenizer_config.json": {"tokenizer_class": "Qwen2Tokenizer"}},
        "json_qwen3_class": lambda: {"tokenizer.json": tokenizer_json("qwen2"), "config.json": {"model_type": "qwen3"},
                                     "tokenizer_config.json": {"tokenizer_class": "Qwen2TokenizerFast"}},
        "json_gpt2_prefix": lambda: {"tokenizer.json": tokenizer_json("gpt2", prefix=True), "config.json": {"model_type": "gpt2"}},
        "json_gpt2_qwen": lambda: {"tokenizer.json": tokenizer_json("llama3"), "config.json": {"model_type": "gpt2"}},
        "json_neox_class": lambda: {"tokenizer.json": tokenizer_json("gpt2"), "config.json": {"model_type": "gpt_neox"},
                                    "tokenizer_config.json": {"tokenizer_class": "GPTNeoXTokenizerFast"}},
        "json_roberta_of_gpt2": lambda: {"tokenizer.json": tokenizer_json("gpt2"), "config.json": {"model_type": "roberta"}},
        # SentencePiece.
        "t5": lambda: unigram("spiece.model", spm(**T5_ORDER), "t5"),
        "t5_legacy": lambda: unigram("spiece.model", spm(**T5_ORDER), "t5", legacy=True, tokenizer_class="T5Tokenizer"),
        "t5_new": lambda: unigram("spiece.model", spm(**T5_ORDER), "t5", legacy=False, tokenizer_class="T5Tokenizer"),
        "t5_few_sentinels": lambda: unigram("spiece.model", spm(**T5_ORDER), "t5", extra_ids=3),
        "t5_no_sentinels": lambda: unigram("spiece.model", spm(**T5_ORDER), "t5", extra_ids=0),
        "t5_identity": lambda: unigram("spiece.model", spm(normalization_rule_name="identity", **T5_ORDER), "t5"),
        "t5_spaces_kept": lambda: unigram("spiece.model", spm(remove_extra_whitespaces=False, **T5_ORDER), "t5"),
        "t5_no_prefix": lambda: unigram("spiece.model", spm(add_dummy_prefix=False, **T5_ORDER), "t5"),
        "t5_user_defined": lambda: unigram("spiece.model", spm(user_defined_symbols=["<new>", "wide", "de wi"], **T5_ORDER), "t5"),
        "t5_nfkc_cf": lambda: unigram("spiece.model", spm(normalization_rule_name="nmt_nfkc_cf", **T5_ORDER), "t5"),
        "mt5": lambda: unigram("spiece.model", spm(byte_fallback=True, size=1200, **T5_ORDER), "mt5"),
        "umt5": lambda: unigram("spiece.model", spm(**T5_ORDER), "umt5"),
        "t5_added": lambda: unigram("spiece.model", spm(**T5_ORDER), "t5", **added(
            len(model_pb2.ModelProto.FromString(spm(**T5_ORDER)).pieces) + 100, token("<new>", special=True), token("zqword", normalized=True),
            token("[NEW]", lstrip=True, rstrip=True))),
        "xlm_roberta": lambda: unigram("sentencepiece.bpe.model", spm(), "xlm-roberta"),
        "xlm_roberta_class": lambda: unigram("sentencepiece.bpe.model", spm(), "xlm-roberta", tokenizer_class="XLMRobertaTokenizer",
                                             mask_token=token("<mask>", lstrip=True, special=True, __type="AddedToken")),
        "xlm_roberta_no_prefix": lambda: unigram("sentencepiece.bpe.model", spm(), "xlm-roberta", add_prefix_space=False),
        "camembert": lambda: unigram("sentencepiece.bpe.model", spm(), "camembert"),
        "albert": lambda: unigram("spiece.model", spm(**ALBERT_ORDER), "albert"),
        "albert_cased": lambda: unigram("spiece.model", spm(**ALBERT_ORDER), "albert", do_lower_case=False, keep_accents=True),
        "xlnet": lambda: unigram("spiece.model", spm(unk_id=0, bos_id=1, eos_id=2, control_symbols=["<cls>", "<sep>", "<pad>", "<mask>"]), "xlnet"),
        "mbart": lambda: unigram("sentencepiece.bpe.model", spm(), "mbart", src_lang="en_XX"),
        "mbart50": lambda: unigram("sentencepiece.bpe.model", spm(), "mbart", tokenizer_class="MBart50Tokenizer", src_lang="en_XX"),
        "m2m100": lambda: m2m100(), "m2m100_unigram": lambda: m2m100("unigram"), "m2m100_wmt21": lambda: m2m100(language_codes="wmt21"),
        "nllb": lambda: unigram("sentencepiece.bpe.model", spm("bpe"), "m2m_100", tokenizer_class="NllbTokenizer", src_lang="eng_Latn"),
        "deberta_v2": lambda: unigram("spm.model", spm(**ALBERT_ORDER), "deberta-v2"),
        "pegasus": lambda: unigram("spiece.model", spm(**PEGASUS_ORDER), "pegasus"),
        "big_bird": lambda: unigram("spiece.model", spm(pad_id=0, eos_id=1, bos_id=2, unk_id=3), "big_bird"),
        "rembert": lambda: unigram("sentencepiece.model", spm(**ALBERT_ORDER), "rembert"),
        "barthez": lambda: unigram("sentencepiece.bpe.model", spm(), "mbart", tokenizer_class="BarthezTokenizer"),
        "llama": lambda: unigram("tokenizer.model", spm("bpe", byte_fallback=True, size=1200, normalization_rule_name="identity",
                                                        remove_extra_whitespaces=False), "llama", tokenizer_class="LlamaTokenizer"),
        "llama_bos": lambda: unigram("tokenizer.model", spm("bpe", byte_fallback=True, size=1200, normalization_rule_name="identity",
                                                        remove_extra_whitespaces=False), "llama", tokenizer_class="LlamaTokenizer",
                                     add_bos_token=True, add_eos_token=False, legacy=True),
        **{name: (lambda kind=kind, own=own: unigram("tokenizer.model", spm(
            "bpe", byte_fallback=True, size=1200, normalization_rule_name="identity", remove_extra_whitespaces=False, pad_id=0, eos_id=1,
            bos_id=2, unk_id=3, bos_piece="<bos>", eos_piece="<eos>", user_defined_symbols=["<mask>", "<2de>", "\n\n", "  "]), kind, **own))
           for name, kind, own in [("gemma", "gemma", {}), ("gemma_class", "gemma3", dict(tokenizer_class="GemmaTokenizer", add_bos_token=True))]},
        "phi3": lambda: unigram("tokenizer.model", spm("bpe", byte_fallback=True, size=1200, normalization_rule_name="identity",
                                                       remove_extra_whitespaces=False), "phi3", tokenizer_class="LlamaTokenizer", legacy=False,
                                add_bos_token=False, **added(1200, token("<|endoftext|>", special=True), token("<|im_start|>", special=True, rstrip=True),
                                                             token("<new>", rstrip=True))),
        "mistral": lambda: unigram("tokenizer.model", spm("bpe", byte_fallback=True, size=1200, normalization_rule_name="identity",
                                                        remove_extra_whitespaces=False), "mistral", tokenizer_class="LlamaTokenizer"),
        # Python's own.
        "byt5": lambda: {"config.json": {"model_type": "byt5"}, "tokenizer_config.json": {"tokenizer_class": "ByT5Tokenizer"}},
        "byt5_few": lambda: {"config.json": {"model_type": "t5"}, "tokenizer_config.json": {"tokenizer_class": "ByT5Tokenizer", "extra_ids": 5}},
        "byt5_added": lambda: {"config.json": {"model_type": "t5"}, "tokenizer_config.json": {"tokenizer_class": "ByT5Tokenizer"} | added(
            384, token("<new>", special=True), token("[NEW]", special=True, lstrip=True))},
        "canine": lambda: {"config.json": {"model_type": "canine"}, "tokenizer_config.json": {"tokenizer_class": "CanineTokenizer"}},
        "canine_type": lambda: {"config.json": {"model_type": "canine"}},
    }
    metaspace = {"type": "Metaspace", "replacement": "\u2581", "add_prefix_space": True}
    collapse = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}
    old_t5 = {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace]}
    pairs = lambda files: files | {"tokenizer.json": files["tokenizer.json"] | {"model": files["tokenizer.json"]["model"] | {
        "merges": [" ".join(pair) for pair in files["tokenizer.json"]["model"]["merges"]]}}}
    sp = dict(byte_fallback=True, size=1200, normalization_rule_name="identity", remove_extra_whitespaces=False)
    result |= {
        # tokenizer.json with other settings beside it, and as earlier versions wrote it.
        "beside_bert_cased": lambda: changed(bert(do_lower_case=True), {"do_lower_case": False}),
        "beside_bert_accents": lambda: changed(bert(do_lower_case=True), {"strip_accents": False, "tokenize_chinese_chars": False}),
        "beside_bert_nothing": lambda: changed(bert(False, do_lower_case=False), without=["do_lower_case"]),
        "beside_bert_no_class": lambda: changed(bert(False, do_lower_case=False), without=["tokenizer_class"]),
        "beside_bert_padding": lambda: changed(
            bert(), padding={"strategy": {"Fixed": 12}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0,
                             "pad_token": "[PAD]"},
            truncation={"direction": "Right", "max_length": 6, "strategy": "LongestFirst", "stride": 0}),
        "beside_gpt2_prefix": lambda: changed(gpt2(), {"add_prefix_space": True}),
        "beside_gpt2_merges": lambda: pairs(changed(gpt2())),
        "beside_gpt2_bos": lambda: changed(gpt2(), {"add_bos_token": True}),
        "beside_gpt2_added": lambda: changed(gpt2(), added(gpt2_size, token("<new>", special=True), token("zqword", single_word=True))),
        "beside_gpt2_added_json": lambda: changed(gpt2()) | {"added_tokens.json": {"<new>": gpt2_size}},
        "beside_gpt2_map": lambda: changed(gpt2()) | {"special_tokens_map.json": {"pad_token": "<pad>", "mask_token": token("<mask>", lstrip=True)}},
        "beside_gpt2_unk": lambda: changed(gpt2(), {"unk_token": "<unk>", "pad_token": "<|endoftext|>"}),
        "beside_roberta_mask": lambda: changed(roberta(), {"mask_token": token("<mask>", lstrip=True, special=True, __type="AddedToken")}),
        "beside_roberta_prefix": lambda: changed(roberta(), {"add_prefix_space": True}),
        "beside_roberta_names": lambda: changed(roberta(), {"cls_token": "<new>", "extra_special_tokens": ["[NEW]"]}),
        "beside_t5_old": lambda: changed(unigram("spiece.model", spm(**T5_ORDER), "t5"), pre_tokenizer=old_t5, decoder=metaspace),
        "beside_t5_whole": lambda: changed(unigram("spiece.model", spm(**T5_ORDER), "t5"), pre_tokenizer=metaspace),
        "beside_xlm_roberta_old": lambda: (lambda files: files | {"tokenizer.json": files["tokenizer.json"] | {"normalizer": {
            "type": "Sequence", "normalizers": [files["tokenizer.json"]["normalizer"], collapse]}}})(
                changed(unigram("sentencepiece.bpe.model", spm(), "xlm-roberta"), pre_tokenizer=metaspace)),
        "beside_xlm_roberta_class": lambda: changed(unigram("sentencepiece.bpe.model", spm(), "bert", tokenizer_class="XLMRobertaTokenizer")),
        "beside_llama_old": lambda: changed(
            unigram("tokenizer.model", spm("bpe", **sp), "llama", tokenizer_class="LlamaTokenizer"), pre_tokenizer=None,
            normalizer={"type": "Sequence", "normalizers": [
                {"type": "Prepend", "prepend": "\u2581"}, {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]}),
        "beside_albert_old": lambda: changed(unigram("spiece.model", spm(**ALBERT_ORDER), "albert"), {"do_lower_case": False}),
        "beside_deberta_v2": lambda: changed(unigram("spm.model", spm(**ALBERT_ORDER), "deberta-v2"), {"do_lower_case": True}),
        "beside_clip_class": lambda: changed({"config.json": {"model_type": "clip"}, **clip_files()}, normalizer=None),
    }
    for name, settings in [("marian", {}), ("marian_codes", {"codes": True}), ("marian_bpe", {"kind": "bpe"}), ("marian_separate", {"separate": True})]:
        result[name] = lambda settings=settings: marian(**settings)
    return result


def marian(kind: str = "unigram", codes: bool = False, separate: bool = False) -> dict:
    source, target = spm(kind, size=700), spm(kind, size=600)
    pieces = lambda model: [piece.piece for piece in model_pb2.ModelProto.FromString(model).pieces][3:]
    both = pieces(source) if separate else pieces(source) + pieces(target)
    number = lambda names: {name: id for id, name in enumerate(
        ["</s>", "<unk>", *([">>de<<", ">>fra<<"] if codes else []), *dict.fromkeys(sorted(names)), "<pad>"])}
    vocab = number(both)
    files = {
        "config.json": {"model_type": "marian", "decoder_start_token_id": vocab["<pad>"], "vocab_size": len(vocab)},
        "source.spm": source, "target.spm": target, "vocab.json": vocab,
        "tokenizer_config.json": {"tokenizer_class": "MarianTokenizer", "separate_vocabs": separate},
    }
    if separate:
        files["target_vocab.json"] = number(pieces(target))
        files["config.json"]["decoder_start_token_id"] = files["target_vocab.json"]["<pad>"]
    return files


def m2m100(kind: str = "bpe", **settings) -> dict:
    """The first pieces by the names of fairseq; a piece of the model is not in the vocabulary."""
    model = spm(kind)
    pieces = [piece.piece for piece in model_pb2.ModelProto.FromString(model).pieces][3:-1]
    vocab = {name: id for id, name in enumerate(["<s>", "<pad>", "</s>", "<unk>", *pieces])}
    return {
        "config.json": {"model_type": "m2m_100"}, "sentencepiece.bpe.model": model, "vocab.json": vocab,
        "tokenizer_config.json": {"tokenizer_class": "M2M100Tokenizer", "src_lang": "en"} | settings,
    }


def write(folder: Path, files: dict) -> None:
    folder.mkdir(parents=True)
    for name, content in files.items():
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            (folder / name).write_text(content if isinstance(content, str) else json.dumps(content, ensure_ascii=False))


def expected(folder: Path, cases: list[str]) -> dict:
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    ids = lambda text, split: tokenizer.encode(text, add_special_tokens=False, split_special_tokens=split)
    whole = [ids(text, False) for text in cases]
    targets = None
    if type(tokenizer).__name__ == "MarianTokenizer":
        split = dict(add_special_tokens=False, split_special_tokens=True)
        targets = [tokenizer(text_target=text, **split)["input_ids"] for text in cases]
    # Whisper's own looks for prompts in a text.
    of_class = transformers.PreTrainedTokenizerFast if "Whisper" in type(tokenizer).__name__ else type(tokenizer)
    decode = lambda row: of_class.decode(tokenizer, row, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return {
        "class": type(tokenizer).__name__,
        "n": max(max(tokenizer.get_vocab().values()) + 1, getattr(tokenizer, "encoder_size", 0) + len(getattr(tokenizer, "lang_code_to_id", []))),
        "frame": tokenizer.encode(""),
        "framed": [tokenizer.encode(text) for text in cases[:20]],
        "split": [ids(text, True) for text in cases],
        "whole": whole,
        "targets": targets,
        "decoded": [decode(row) for row in targets or whole],
        "specials": {name: getattr(tokenizer, name + "_token_id") for name in ["pad", "bos", "eos", "unk", "mask", "cls", "sep"]},
    }


def main(out: Path, wanted: list[str]) -> None:
    transformers.logging.set_verbosity_error()
    cases = texts()
    (out / "texts.json").write_text(json.dumps(cases))
    for name, files in folders().items():
        if wanted and not any(name.startswith(part) for part in wanted):
            continue
        # As published, and as transformers saves it.
        for saved in [False, True]:
            folder = out / (name + ("_saved" if saved else ""))
            shutil.rmtree(folder, ignore_errors=True)
            try:
                if saved:
                    AutoTokenizer.from_pretrained(str(out / name)).save_pretrained(str(folder))
                    config = out / name / "config.json"
                    if config.exists():
                        shutil.copy(config, folder)
                else:
                    write(folder, files())
                entry = expected(folder, cases)
            except Exception as error:
                entry = {"refused": f"{type(error).__name__}: {str(error)[:200]}"}
            folder.with_suffix(".json").write_text(json.dumps(entry))
            print(folder.name, entry.get("class"), entry.get("n"), entry.get("frame"), entry.get("refused", ""), flush=True)


if __name__ == "__main__":
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    main(Path(sys.argv[1]), sys.argv[2:])
