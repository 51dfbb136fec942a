"""Scores of translations, equal to those of sacreBLEU 2.6."""

from ._attentive import Score, bleu, chrf

__all__ = ["Score", "bleu", "chrf"]
