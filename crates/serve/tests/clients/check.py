"""The clients that people use, against a running server: `check.py URL`.

The server has Marian's golden model (en:de), GPT-2's, Llama's with its chat template, and BERT's: masked, a
classifier, and a reranker. `cargo xtask clients` starts it.
"""

import sys

from huggingface_hub import InferenceClient
from libretranslatepy import LibreTranslateAPI
from openai import BadRequestError, NotFoundError, OpenAI
from prometheus_client.parser import text_string_to_metric_families
from urllib.request import urlopen

URL = sys.argv[1]
TEXT = "the animal was tired"
# GPT-2's golden model has 16 positions.
PROMPT = "a dog"


def libretranslate():
    client = LibreTranslateAPI(URL)
    translation = client.translate(TEXT, "en", "de")
    assert isinstance(translation, str)
    (detected,) = client.detect(TEXT)
    assert detected["language"] == "en" and 0 <= detected["confidence"] <= 100, detected
    assert client.translate(TEXT, "auto", "de") == translation
    codes = {language["code"] for language in client.languages()}
    assert "en" in codes, codes
    return translation


def openai(translation):
    client = OpenAI(base_url=f"{URL}/v1", api_key="none", max_retries=0)
    names = [model.id for model in client.models.list()]
    assert {"marian", "gpt2", "llama"} <= set(names), names

    whole = client.completions.create(model="gpt2", prompt=PROMPT, max_tokens=8, seed=1, n=2, logprobs=2)
    assert len(whole.choices) == 2 and whole.usage.completion_tokens <= 16
    assert len(whole.choices[0].logprobs.tokens) == len(whole.choices[0].logprobs.top_logprobs)
    parts = client.completions.create(model="gpt2", prompt=PROMPT, max_tokens=8, seed=1, stream=True)
    assert "".join(part.choices[0].text for part in parts) == whole.choices[0].text

    messages = [{"role": "user", "content": TEXT}]
    chat = {"model": "llama", "messages": messages, "max_tokens": 8, "seed": 1}
    answer = client.chat.completions.create(**chat, logprobs=True, top_logprobs=2)
    content = answer.choices[0].logprobs.content
    assert all(len(token.top_logprobs) == 2 for token in content)
    streamed, usage = "", None
    for part in client.chat.completions.create(**chat, stream=True, stream_options={"include_usage": True}):
        if part.choices:
            streamed += part.choices[0].delta.content or ""
        usage = part.usage or usage
    assert streamed == answer.choices[0].message.content
    assert usage.total_tokens == answer.usage.total_tokens

    translated = client.chat.completions.create(model="marian", messages=messages)
    assert translated.choices[0].message.content == translation

    vectors = client.embeddings.create(model="bert-masked-lm", input=[TEXT, "a dog"])
    floats = client.embeddings.create(model="bert-masked-lm", input=TEXT, encoding_format="float")
    assert len(vectors.data) == 2
    assert max(abs(a - b) for a, b in zip(vectors.data[0].embedding, floats.data[0].embedding)) < 1e-6

    for error, request in [(NotFoundError, {"model": "none"}), (BadRequestError, {"model": "gpt2", "n": 0})]:
        try:
            client.completions.create(**{"prompt": PROMPT, **request})
        except error as found:
            assert found.body["message"], found.body
        else:
            raise AssertionError(f"{request} was not refused")


def inference_client():
    client = InferenceClient(model=URL)
    classes = client.text_classification(TEXT)
    assert abs(sum(one.score for one in classes) - 1) < 1e-6
    vectors = InferenceClient(model=f"{URL}/embed").feature_extraction(TEXT)
    assert abs(float((vectors**2).sum()) - 1) < 1e-5
    chat = InferenceClient(base_url=f"{URL}/v1").chat_completion(
        model="llama", messages=[{"role": "user", "content": TEXT}], max_tokens=4
    )
    assert chat.choices[0].finish_reason in ("stop", "length")


def metrics():
    text = urlopen(f"{URL}/metrics").read().decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    for name in ("attentive_requests", "attentive_tokens", "attentive_request_seconds", "attentive_queue_length"):
        assert families[name].samples, name
        assert families[name].documentation, name
    histogram = families["attentive_request_seconds"]
    assert histogram.type == "histogram"
    # Buckets count up to all.
    by_path = {}
    for sample in histogram.samples:
        if sample.name.endswith("_bucket"):
            by_path.setdefault(sample.labels["path"], []).append(sample.value)
    assert all(counts == sorted(counts) for counts in by_path.values())


translation = libretranslate()
openai(translation)
inference_client()
metrics()
print("libretranslatepy, openai, huggingface_hub and prometheus-client are served")
