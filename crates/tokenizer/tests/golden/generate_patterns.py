"""Writes patterns.json: how Hugging Face's tokenizers split texts by patterns that engines read in different ways.

    pip install -r requirements.txt && python generate_patterns.py OUT_DIR
"""

import json
import sys
from pathlib import Path

from tokenizers import Regex, pre_tokenizers

TEXTS = [
    "a\u200db c", "x y_z 1\u00b2 \u216b\u24b6", "a\u0301b", "a$b+c!d^e`f|g", "e1 \u00e92 \u00f1 $", "\u216b\u00bd", "A-B \u00ab\u00bb",
    "\uff11\uff12\uff13 \u0663\u0664", "\u6f22\u5b57\u304b\u306a", "tab\ta\u00a0b\u3000c", "\U0001f3f3\ufe0f\u200d\U0001f308", "\u0645\u06cc\u200c\u0634\u0648\u062f",
    "a  \nb  ", "ab\ncd\n", "\n\na", "a\r\nb",
    "it 12345 was 67", "aaaaa ab aB AC c", "\u01c4 \u01c5 \u01c6 K \u212a", "x=<1>~[a]pL",
]  # fmt: skip
PATTERNS = [
    r"\w+", r"\W+", r"\b", r"\B", r"[\w]+", r"[\w'-]+", r"[^\s\w]+", r"[^\W\d_]+", r"\w+|[^\w\s]+", r"^.", r".$", r"\s+$", r"^\s*", r"(?m:a.+b)", r".\Z",
    "[[:alpha:]]+", "[[:^alpha:]]+", "[[:alnum:]_]+", "[^[:space:]]+", "[[:punct:]]", "[[:upper:]]+", "[[:lower:]]+", "[[:digit:]]+", "[[:word:]]+", "[[:graph:]]+",
    "[[:print:]]+", "[[:blank:]]+", "[[:cntrl:]]",
    r"\p{N}{1,3}+", r"[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++", r"a{2}?", r"(?:a|b){2}?c?", r"a{3}+", r"a{2,3}?", "a(?i)b|c", "(a(?i)b|c) ",
    r"\<\d+\>", r"\pL", r"(?i)\p{Lu}", r"(?i:\p{Ll}+)", "[a~~1]", r"\R", r"\p{Alnum}+", r"\p{Word}+", r"\P{Graph}+", r"\p{^Print}", r"\p{XDigit}+", r"[\p{Blank}a]", r"\p{^L}+",
]  # fmt: skip


def main(out: Path) -> None:
    def pieces(pattern: str, text: str) -> list[str]:
        return [piece for piece, _ in pre_tokenizers.Split(Regex(pattern), "isolated").pre_tokenize_str(text)]

    cases = [{"pattern": pattern, "texts": {text: pieces(pattern, text) for text in TEXTS}} for pattern in PATTERNS]
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    (out / "patterns.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
