"""CTranslate2 behind FastAPI and uvicorn, as `cargo xtask bench serve --peer` measures it beside `attentive serve`.

Usage: serve.py MODEL TOKENS BEAM MAX_LEN WORKERS THREADS COMPUTE_TYPE, where MODEL is a folder of CTranslate2 and TOKENS a
file that maps each sentence that will be asked for to its tokens: cutting costs this side nothing. Requests that wait are
translated together, up to 64, as soon as one of the workers, each of so many threads, is free. It prints the address, then
serves until it is killed.
"""

import asyncio
import json
import socket
import sys
from contextlib import asynccontextmanager

import ctranslate2
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

TOGETHER = 64


def words(tokens):
    """A text of tokens; a mark is joined to the word on the side where it has a square."""
    return "".join(tokens).replace("</w>", " ").replace(" ￭", "").replace("￭ ", "").strip()


class Request(BaseModel):
    q: str
    source: str
    target: str


def main():
    model, path, beam, max_len, workers, threads, compute_type = sys.argv[1:]
    translator = ctranslate2.Translator(
        model, device="cpu", inter_threads=int(workers), intra_threads=int(threads), compute_type=compute_type)
    with open(path, encoding="utf-8") as file:
        tokens_of = json.load(file)
    waiting = asyncio.Queue()

    def translate(texts):
        results = translator.translate_batch(
            [tokens_of[text] for text in texts], beam_size=int(beam), max_decoding_length=int(max_len))
        return [words(result.hypotheses[0]) for result in results]

    async def work():
        loop = asyncio.get_running_loop()
        while True:
            batch = [await waiting.get()]
            while len(batch) < TOGETHER and not waiting.empty():
                batch.append(waiting.get_nowait())
            texts = await loop.run_in_executor(None, translate, [text for text, _ in batch])
            for (_, answer), text in zip(batch, texts):
                if not answer.done():
                    answer.set_result(text)

    @asynccontextmanager
    async def lifespan(_):
        tasks = [asyncio.create_task(work()) for _ in range(int(workers))]
        yield
        for task in tasks:
            task.cancel()

    app = FastAPI(lifespan=lifespan)

    @app.post("/translate")
    async def answer(request: Request):
        text = asyncio.get_running_loop().create_future()
        await waiting.put((request.q, text))
        return {"translatedText": await text}

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()  # so that who reads the address is never refused: uvicorn takes a moment to start
    print(f"listening at http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(app, log_level="error", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


main()
