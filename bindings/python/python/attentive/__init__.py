"""The Transformer and its descendants, from raw text to a model in use."""

from . import metrics
from ._attentive import (
    Encoder,
    Error,
    Generator,
    Pieces,
    StopTraining,
    Tokenizer,
    Translation,
    Translator,
    __version__,
    import_model,
    resume,
    train,
)

__all__ = [
    "Encoder",
    "Error",
    "Generator",
    "Pieces",
    "StopTraining",
    "Tokenizer",
    "Translation",
    "Translator",
    "__version__",
    "import_model",
    "metrics",
    "resume",
    "train",
]
