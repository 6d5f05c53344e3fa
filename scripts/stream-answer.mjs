/**
 * Streams an answer and keeps the time of each piece, in milliseconds of performance.now().
 * @param {string} url of the endpoint
 * @param {object} body of the request, without `stream`
 * @param {{ signal?: AbortSignal, onPiece?: (text: string) => void }} [options]
 * @returns {Promise<Streamed>}
 * @throws when the answer is an error, or ends before it is complete; what the signal was aborted with
 *
 * @typedef {object} Streamed
 * @property {number} start when the request was sent
 * @property {{ at: number, text: string }[]} pieces those with text
 * @property {number} end when the last byte had come
 * @property {string | null} finishReason
 * @property {{ prompt_tokens: number, completion_tokens: number }} usage
 */
export async function streamAnswer(url, body, { signal, onPiece } = {}) {
  const start = performance.now();
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
    signal,
  });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  const pieces = [];
  let usage = null;
  let finishReason = null;
  let done = false;
  for await (const data of eventData(response.body)) {
    const at = performance.now();
    if (data === "[DONE]") {
      done = true;
      continue;
    }
    const event = JSON.parse(data);
    if (event.error) throw new Error(`${url}: ${JSON.stringify(event.error)}`);
    const [choice] = event.choices;
    const text = choice?.text ?? choice?.delta?.content ?? "";
    if (text !== "") {
      pieces.push({ at, text });
      onPiece?.(text);
      // An abort with the last piece: the body, which is complete, would not tell of it and never end (Node 20).
      signal?.throwIfAborted();
    }
    finishReason = choice?.finish_reason ?? finishReason;
    usage = event.usage ?? usage;
  }
  if (!done || usage === null) throw new Error(`${url}: the answer ended before it was complete`);
  return { start, pieces, end: performance.now(), finishReason, usage };
}

/** What the `data` lines of server-sent events say; those of one line each. */
async function* eventData(body) {
  let rest = "";
  for await (const part of body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + part).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line.startsWith("data: ")) yield line.slice(6);
  }
}
