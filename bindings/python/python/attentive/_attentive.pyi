from collections.abc import Callable, Iterable, Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal, final, overload

import numpy as np
import numpy.typing as npt

_Path = str | PathLike[str]
_Precision = Literal["f32", "int8", "q8_0", "q4_0", "blocks"]
_Pooling = Literal["mean", "cls", "max", "mean-sqrt-len", "weighted-mean", "last-token"]

__all__ = [
    "Encoder",
    "Error",
    "Generator",
    "Pieces",
    "Score",
    "StopTraining",
    "Tokenizer",
    "Translation",
    "Translator",
    "__version__",
    "bleu",
    "chrf",
    "import_model",
    "resume",
    "train",
]
__version__: str

class Error(Exception): ...
class StopTraining(Exception): ...

@final
class Translation:
    @property
    def text(self) -> str: ...
    @property
    def score(self) -> float: ...
    @property
    def log_prob(self) -> float: ...
    @property
    def ids(self) -> list[int]: ...
    @property
    def is_finished(self) -> bool: ...
    @property
    def alternatives(self) -> list[Translation]: ...

@final
class Translator:
    def __new__(
        cls,
        path: _Path,
        precision: _Precision | None = None,
        threads: int | None = None,
        *,
        adapter: _Path | None = None,
    ) -> Translator: ...
    @overload
    def translate(  # type: ignore[overload-overlap]
        self,
        texts: str,
        *,
        beam: int | None = None,
        length_penalty: float | None = None,
        n_best: int = 1,
        prefix: str = "",
        min_length: int | None = None,
        max_length: int | None = None,
        no_repeat_ngram: int | None = None,
        repetition_penalty: float | None = None,
        batch_tokens: int | None = None,
        source_language: str | None = None,
        target_language: str | None = None,
        crop: bool = False,
    ) -> Translation: ...
    @overload
    def translate(
        self,
        texts: Iterable[str],
        *,
        beam: int | None = None,
        length_penalty: float | None = None,
        n_best: int = 1,
        prefix: str = "",
        min_length: int | None = None,
        max_length: int | None = None,
        no_repeat_ngram: int | None = None,
        repetition_penalty: float | None = None,
        batch_tokens: int | None = None,
        source_language: str | None = None,
        target_language: str | None = None,
        crop: bool = False,
    ) -> list[Translation]: ...

@final
class Pieces(Iterator[str]):
    def __iter__(self) -> Pieces: ...
    def __next__(self) -> str: ...
    @property
    def ended(self) -> Literal["end", "length", "stop"] | None: ...

@final
class Generator:
    def __new__(
        cls,
        path: _Path,
        precision: _Precision | None = None,
        threads: int | None = None,
        *,
        adapter: _Path | None = None,
    ) -> Generator: ...
    def generate(
        self,
        prompt: str = "",
        *,
        max_tokens: int | None = None,
        min_tokens: int | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        seed: int | None = None,
        stop: str | Iterable[str] | None = None,
        repetition_penalty: float | None = None,
        no_repeat_ngram: int | None = None,
        begin: bool | None = None,
    ) -> Pieces: ...

@final
class Encoder:
    def __new__(
        cls,
        path: _Path,
        precision: _Precision | None = None,
        threads: int | None = None,
        *,
        adapter: _Path | None = None,
    ) -> Encoder: ...
    def encode(
        self,
        texts: str | Iterable[str],
        *,
        pooling: _Pooling | Iterable[_Pooling] | None = None,
        normalize: bool | None = None,
        prompt: str | None = None,
        crop: bool = False,
    ) -> npt.NDArray[np.float32]: ...

@final
class Tokenizer:
    def __new__(cls, path: _Path, lowercase: bool | None = None) -> Tokenizer: ...
    @overload
    def encode(self, texts: str, *, specials: bool = False) -> list[int]: ...  # type: ignore[overload-overlap]
    @overload
    def encode(self, texts: Iterable[str], *, specials: bool = False) -> list[list[int]]: ...
    @overload
    def tokens(self, texts: str, *, specials: bool = False) -> list[str]: ...  # type: ignore[overload-overlap]
    @overload
    def tokens(self, texts: Iterable[str], *, specials: bool = False) -> list[list[str]]: ...
    def decode(self, ids: Sequence[int]) -> str: ...
    def token(self, id: int) -> str | None: ...
    @property
    def vocab_size(self) -> int: ...
    @property
    def notes(self) -> list[str]: ...
    def __len__(self) -> int: ...

@final
class Score:
    @property
    def name(self) -> str: ...
    @property
    def score(self) -> float: ...
    @property
    def signature(self) -> str: ...
    @property
    def line(self) -> str: ...
    def __float__(self) -> float: ...

def bleu(
    hypotheses: Iterable[str],
    references: Iterable[str] | Iterable[Iterable[str]],
    *,
    tokenizer: Literal["13a", "intl", "zh", "char", "none"] = "13a",
    lowercase: bool = False,
    smoothing: Literal["exp", "floor", "add-k", "none"] = "exp",
    smoothing_value: float | None = None,
    effective_order: bool = False,
) -> Score: ...
def chrf(
    hypotheses: Iterable[str],
    references: Iterable[str] | Iterable[Iterable[str]],
    *,
    char_order: int = 6,
    word_order: int = 0,
    beta: int = 2,
    lowercase: bool = False,
    whitespace: bool = False,
    eps_smoothing: bool = False,
) -> Score: ...
def train(
    recipe: _Path | None = None,
    *,
    settings: dict[str, Any] | None = None,
    on_event: Callable[[dict[str, Any]], object] | None = None,
    runs: _Path = "runs",
    threads: int | None = None,
    memory: int | str | None = None,
) -> Path: ...
def resume(
    run: _Path,
    *,
    settings: dict[str, Any] | None = None,
    on_event: Callable[[dict[str, Any]], object] | None = None,
    threads: int | None = None,
) -> Path: ...
def import_model(source: _Path, out: _Path, *, drop_unknown: bool = False, replace: bool = False) -> list[str]: ...
