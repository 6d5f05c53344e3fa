// The engine inside your own program, without a server.
//   node examples/embed-engine.mjs [model.gguf or directory]
import { loadModel } from "deepts";

const [model] = process.argv.slice(2); // none: the embedded one
const { engine, notes, close } = await loadModel(model, { contextSize: 1024, parallel: 1 });
try {
  for (const note of notes) console.error(note);
  const { ids } = await engine.renderChat({ messages: [{ role: "user", content: "Hello! Who are you?" }] });
  for await (const event of engine.generate({ prompt: ids, maxTokens: 60, sampling: { temperature: 0 } })) {
    process.stdout.write(event.text);
    if (event.type === "end") console.error(`\n${event.completionTokens} tokens, ended by ${event.reason}`);
  }
} finally {
  await close();
}
