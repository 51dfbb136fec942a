"""The others' side of `cargo xtask bench tokenize`: the same text, the same vocabulary, as many threads.

Usage: run_tokenizers.py tokenizers|tiktoken|sentencepiece learn|encode KIND FOLDER THREADS, where FOLDER is what
`attentive-bench` prepares: text.txt, and for each kind a folder with its vocabulary.
"""

import io
import json
import os
import sys

from worker import serve

VOCAB_SIZE = 8_000


def with_tokenizers(kind, folder):
    import tokenizers
    from tokenizers import BertWordPieceTokenizer, ByteLevelBPETokenizer

    if kind == "byte-level-bpe":
        new, files = ByteLevelBPETokenizer, [f"{folder}/vocab.json", f"{folder}/merges.txt"]
        cased = {}
    else:
        new, files = BertWordPieceTokenizer, [f"{folder}/vocab.txt"]
        cased = {"lowercase": False, "strip_accents": False}

    def learn(lines):
        tokenizer = new(**cased)
        tokenizer.train_from_iterator(lines, vocab_size=VOCAB_SIZE, min_frequency=2, show_progress=False)
        return tokenizer.get_vocab_size()

    def encoder():
        tokenizer = new(*files, **cased)
        return lambda lines: [encoded.ids for encoded in tokenizer.encode_batch(lines, add_special_tokens=False)]

    return tokenizers.__version__, learn, encoder


def with_tiktoken(kind, folder, threads):
    import tiktoken

    def encoder():
        with open(f"{folder}/vocab.json") as file:
            vocab = json.load(file)
        letters = byte_letters()
        ranks = {bytes(letters[c] for c in token): id for token, id in vocab.items() if all(c in letters for c in token)}
        pattern = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"
        encoding = tiktoken.Encoding("ours", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
        return lambda lines: encoding.encode_ordinary_batch(lines, num_threads=threads)

    return tiktoken.__version__, None, encoder


def byte_letters():
    """GPT-2's letter of each byte, the other way round."""
    shown = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in shown]
    letters = {chr(byte): byte for byte in shown}
    letters.update({chr(256 + n): byte for n, byte in enumerate(hidden)})
    return letters


def with_sentencepiece(kind, folder, threads):
    import sentencepiece

    def learn(lines):
        out = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines), model_writer=out, vocab_size=VOCAB_SIZE, model_type="unigram",
            num_threads=threads, hard_vocab_limit=False, minloglevel=2)
        return sentencepiece.SentencePieceProcessor(model_proto=out.getvalue()).vocab_size()

    def encoder():
        processor = sentencepiece.SentencePieceProcessor(model_file=f"{folder}/spiece.model")
        return lambda lines: processor.encode(lines, num_threads=threads)

    return sentencepiece.__version__, learn, encoder


def digest(ids):
    total = sum(line * at * id for line, row in enumerate(ids, 1) for at, id in enumerate(row, 1))
    return total % 2**64 >> 12


def main():
    peer, task, kind, folder, threads = sys.argv[1:]
    os.environ["RAYON_NUM_THREADS"] = threads
    own = f"{folder}/{kind}"
    with open(f"{folder}/text.txt", encoding="utf-8", newline="\n") as file:
        text = file.read()
    lines, n_bytes = text.split("\n"), len(text.encode())
    make = {"tokenizers": lambda: with_tokenizers(kind, own),
            "tiktoken": lambda: with_tiktoken(kind, own, int(threads)),
            "sentencepiece": lambda: with_sentencepiece(kind, own, int(threads))}
    version, learn, encoder = make[peer]()
    if task == "learn":
        serve({"version": version}, lambda: (n_bytes, {"entries": learn(lines)}))
    else:
        encode = encoder()
        known = digest(encode(lines))

        def run_round():
            encode(lines)
            return n_bytes, {"digest": known}

        serve({"version": version}, run_round)


main()
