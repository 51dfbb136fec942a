"""The texts that the goldens are about: a little corpus to learn from, and cases to encode."""

import random

NOUNS = "animal street cross weather window teacher garden letter morning evening children mountain widest estate"
VERBS = "crosses watches follows remembers answers carries understands forgets opens closes"
ADJECTIVES = "tired wide wider small smaller smallest quick quiet beautiful unbelievable low lower lowest"
GERMAN = "Straße Tier müde größer Überraschung läuft schläft öffnet weil nicht können Mädchen Fußgängerübergang"
PATTERNS = [
    "The {a} {n} {v} the {n}.",
    "The {n} did not cross the {n} because it was too {a}.",
    '"{g} {g}," said the {a} {n}, "it\'s {a}!"',
    "Why don't the {n}s {v} ({a}, {a}) -- or {v} {n} no. {i}?",
    "Das {g} {g} {g}, weil es {g} ist; {i},{i} m.",
    "the {a} {n} , the {a} {n} and the {g} {v} .",
]


def corpus(n_lines: int = 500) -> list[str]:
    """Sentences that mean little, of words that come again as words do."""
    rng = random.Random(7)
    lexicon = {"n": NOUNS, "v": VERBS, "a": ADJECTIVES, "g": GERMAN}

    def word(kind: str) -> str:
        if kind == "i":
            return str(rng.randrange(2000))
        words = lexicon[kind].split()
        return words[min(int(rng.expovariate(0.35)), len(words) - 1)]

    lines = []
    for _ in range(n_lines):
        pattern = rng.choice(PATTERNS)
        while "{" in pattern:
            at = pattern.index("{")
            pattern = pattern[:at] + word(pattern[at + 1]) + pattern[at + 3 :]
        lines.append(pattern)
    return lines


CHOSEN = [
    "",
    " ",
    "  ",
    "\n",
    "a",
    "The animal didn't cross the street because it was too tired.",
    "It's 3.14 or 12,500; they'll say \"no\" (twice) -- won't they?",
    "Das Mädchen läuft über die größte Straße, weil es müde ist.",
    " leading, trailing  and   inner spaces ",
    "tabs\tand\nnew\r\nlines\n\n\nand\u00a0no-break\u2003em spaces",
    "naïve café, Ångström, ﬁne, Ⅻ, ½, ², ㎏, ﷺ",
    "e\u0301 and é, n\u0303 and ñ, İstanbul, ΣΊΣΥΦΟΣ, ẞ",
    "日本語のテキスト。中文，没有空格 and English",
    "한국어 텍스트 हिन्दी पाठ עברית العربية ไทย",
    "👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪 👍🏽 ☃",
    "<s> </s> <pad> <unk> <mask> [CLS] [MASK] <|endoftext|> <0x41> <extra_id_0>",
    "</w> ## ￭ @@ ▁ ▁▁ Ġ ##ing",
    "https://example.org/a_b?c=d&e=f#g x@y.z C:\\path #1 $9.99 50% 1e-9",
    "\u0000\u0001\u001f\u007f\u0085\u00ad\u200b\u200d\u2028\ufeff\ufffd\ue000",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "unbelievablesmallestanimalstreet" * 4,
    "a" * 101,
    "\"'''\"'s's'll 'tis rock'n'roll I’ve",
    "++//==!!??...,,,---___***",
]


def cases(n_random: int = 230) -> list[str]:
    """The chosen texts and random ones: pieces of the corpus, and characters of all scripts."""
    rng = random.Random(11)
    pools = [
        range(32, 127), range(0xA0, 0x250), range(0x300, 0x370), range(0x370, 0x600), range(0x900, 0xA00),
        range(0x2000, 0x2070), range(0x3040, 0x3100), range(0x4E00, 0x4F00), range(0xAC00, 0xAD00),
        range(0x1F300, 0x1F650), range(0xF900, 0xFB50), range(0, 33), range(0, 0xD800), range(0xE000, 0x110000),
    ]  # fmt: skip
    words = " ".join(corpus(60)).split() + CHOSEN[5:19]
    texts = list(CHOSEN)
    for _ in range(n_random):
        if rng.random() < 0.4:
            separators = [" ", " ", " ", "  ", "", "\n", "\t"]
            texts.append("".join(rng.choice(words)[:20] + rng.choice(separators) for _ in range(rng.randrange(1, 9))))
        else:
            home = rng.choice(pools)
            pick = lambda: chr(rng.choice(home if rng.random() < 0.7 else rng.choice(pools)))
            texts.append("".join(pick() for _ in range(rng.randrange(1, 16))))
    return texts
