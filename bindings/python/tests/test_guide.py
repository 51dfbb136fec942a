"""The blocks of the guide and of the README: each page's run one after another, and write what stands after them."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = ["docs/guide/python.md", "bindings/python/README.md"]
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_blocks_of_a_page_run(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = BLOCK.findall(text)
    assert blocks and text.count("```python") == len(blocks)
    names = {}
    for code, expected in blocks:
        exec(compile(code, page, "exec"), names)
        written = capsys.readouterr().out
        if expected:
            assert written == expected
