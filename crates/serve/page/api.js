// Questions to the server.

/** Why there is no answer: `message` for the reader, `again` seconds until it makes sense to ask, the HTTP `status`. */
export class NoAnswer extends Error {
  constructor(message, { again, status } = {}) {
    super(message);
    Object.assign(this, { again, status });
  }
}

/** The key of a server that asks for one, until the window is closed. */
let key = "";
export const useKey = (given) => (key = given);

async function ask(path, body, signal) {
  let response;
  const headers = key ? { authorization: `Bearer ${key}` } : {};
  if (body !== undefined) headers["content-type"] = "application/json";
  try {
    response = await fetch(`api/${path}`, {
      method: body === undefined ? "GET" : "POST", headers, body: JSON.stringify(body), signal,
    });
  } catch (e) {
    if (e.name === "AbortError") throw e;
    throw new NoAnswer("The server does not answer.", { again: 2 });
  }
  if (response.ok) return response;
  const told = await response.json().catch(() => null);
  if (response.status === 429 || response.status === 503) {
    throw new NoAnswer("The server is busy.", { again: Number(response.headers.get("retry-after")) || 1 });
  }
  const message = told?.error?.message ?? `The server answers ${response.status} ${response.statusText}.`;
  throw new NoAnswer(message, { status: response.status });
}

/** A JSON answer: of a GET, or of a POST where there is a body. */
export const call = async (path, body, signal) => (await ask(path, body, signal)).json();

/** The events of a streamed answer, one after another. */
export async function* stream(path, body, signal) {
  const reader = (await ask(path, body, signal)).body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read().catch((e) => {
      if (e.name === "AbortError") throw e;
      throw new NoAnswer("The server went away in the middle of its answer.");
    });
    if (done) return;
    const lines = (rest + value).split(/\r?\n/);
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith("data:")) continue;
      const data = line.slice(5).trim();
      if (data === "[DONE]") return;
      const event = JSON.parse(data);
      if (event.error) throw new NoAnswer(event.error.message);
      yield event;
    }
  }
}

/** Answers of the last questions. */
const CACHED = 24;

/**
 * Asks while the reader types: waits for a pause as long as an answer takes, gives up on the question before, and asks
 * again where the server is busy or gone.
 *
 * `request(value)` gives `[path, body]`; `answer(got, value)` takes what comes; `state({waiting, message})` tells.
 * The returned function takes a value; with `now`, it does not wait for a pause.
 */
export function live(request, answer, state) {
  const cache = new Map();
  let timer, controller, latency = 60;

  async function go(value, attempt) {
    const [path, body] = request(value);
    const key = JSON.stringify(body);
    const own = (controller = new AbortController());
    const began = performance.now();
    try {
      if (!cache.has(key)) {
        state({ waiting: true, message: attempt ? undefined : "" });
        const got = await call(path, body, own.signal);
        latency = (latency + performance.now() - began) / 2;
        cache.set(key, got);
        if (cache.size > CACHED) cache.delete(cache.keys().next().value);
      }
      if (own.signal.aborted) return;
      state({ waiting: false, message: "" });
      answer(cache.get(key), value);
    } catch (e) {
      if (own.signal.aborted) return;
      if (!(e instanceof NoAnswer)) throw e;
      const seconds = e.again && Math.min(e.again * 2 ** Math.min(attempt, 3), 30);
      state({ waiting: Boolean(seconds), message: seconds ? `${e.message} Asking again in ${seconds} s.` : e.message });
      if (seconds) timer = setTimeout(go, seconds * 1000, value, attempt + 1);
    }
  }

  return (value, now) => {
    clearTimeout(timer);
    controller?.abort();
    if (value === undefined) return state({ waiting: false, message: "" });
    const known = cache.has(JSON.stringify(request(value)[1]));
    if (now || known) go(value, 0);
    else timer = setTimeout(go, Math.min(Math.max(latency, 40), 400), value, 0);
  };
}
