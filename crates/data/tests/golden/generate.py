"""Writes permutations.txt: `seed purpose epoch: the numbers below n in their order`.

A second implementation, from the definitions alone: SHA-256 of seed, epoch (8 bytes each, little-endian) and purpose
keys ChaCha with 8 rounds (D. J. Bernstein, 2008: 64-bit counter and nonce, both from 0); its 32-bit words drive a
Fisher-Yates shuffle from the end, a number below n being drawn as D. Lemire has it (2019, Algorithm 5).

Run: python3 generate.py OUT_DIR
"""

import hashlib
import pathlib
import struct
import sys

MASK = 0xFFFFFFFF


def quarter_round(x, a, b, c, d):
    for i, j, k, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        x[i] = (x[i] + x[j]) & MASK
        x[k] ^= x[i]
        x[k] = (x[k] << bits | x[k] >> (32 - bits)) & MASK


def chacha8(key):
    constants = struct.unpack("<4I", b"expand 32-byte k")
    counter = 0
    while True:
        start = [*constants, *struct.unpack("<8I", key), counter & MASK, counter >> 32, 0, 0]
        x = list(start)
        for _ in range(4):
            for a in range(4):
                quarter_round(x, a, a + 4, a + 8, a + 12)
            for a in range(4):
                quarter_round(x, a, 4 + (a + 1) % 4, 8 + (a + 2) % 4, 12 + (a + 3) % 4)
        yield from ((word + first) & MASK for word, first in zip(x, start))
        counter += 1


def below(n, words):
    while True:
        product = next(words) * n
        if product & MASK >= 2**32 % n:
            return product >> 32


def permutation(n, seed, purpose, epoch):
    words = chacha8(hashlib.sha256(struct.pack("<QQ", seed, epoch) + purpose.encode()).digest())
    order = list(range(n))
    for last in range(n - 1, 0, -1):
        other = below(last + 1, words)
        order[last], order[other] = order[other], order[last]
    return order


CASES = [
    (1, "pairs", 0, 10),
    (1, "pairs", 1, 10),
    (1, "batches", 0, 10),
    (2, "pairs", 0, 10),
    (2**64 - 1, "pairs", 2**63, 40),
    (0, "", 0, 1),
    (0, "any", 0, 0),
    (42, "pairs", 3, 1000),
]

lines = [
    f"{seed} {purpose or '-'} {epoch}:" + "".join(f" {i}" for i in permutation(n, seed, purpose, epoch))
    for seed, purpose, epoch, n in CASES
]
(pathlib.Path(sys.argv[1]) / "permutations.txt").write_text("\n".join(lines) + "\n")
