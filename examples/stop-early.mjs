// Streams an answer and stops it from outside after some characters: an AbortSignal ends the computation at once.
//   node examples/stop-early.mjs [characters]
import { loadModel } from "deepts";

const [limit = "40"] = process.argv.slice(2);
const { engine, close } = await loadModel();
const enough = new AbortController();
try {
  const { ids } = await engine.renderChat({ messages: [{ role: "user", content: "Tell me a story about a fox." }] });
  let length = 0;
  for await (const { text } of engine.generate({ prompt: ids, maxTokens: null }, { signal: enough.signal })) {
    process.stdout.write(text);
    length += text.length;
    if (length >= Number(limit)) enough.abort();
  }
} catch (error) {
  if (!enough.signal.aborted) throw error;
  process.stdout.write(" ...\n");
} finally {
  await close();
}
