"""A process that is forked after its threads were started."""

import os
import signal
import time
import traceback

import attentive
import pytest
from attentive import metrics

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def in_a_fork(work):
    """Does the work in a fork, which must end."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    for _ in range(600):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            assert status == 0
            return
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    pytest.fail("the fork waits without end")


def test_tokenizers_and_scores_work(translator_path, lines):
    tokenizer = attentive.Tokenizer(translator_path)
    ids, score = tokenizer.encode(lines), metrics.bleu(lines, lines).score

    def work():
        assert tokenizer.encode(lines) == ids
        assert metrics.bleu(lines, lines).score == score

    in_a_fork(work)


def test_models_are_refused(translator, generator_path, encoder_path):
    generator, encoder = attentive.Generator(generator_path), attentive.Encoder(encoder_path)
    pieces = generator.generate("abc")

    def work():
        for use in [lambda: translator.translate("ab"), lambda: generator.generate("a"), lambda: encoder.encode("a"),
                    lambda: next(pieces)]:
            with pytest.raises(attentive.Error, match="forked"):
                use()

    in_a_fork(work)
