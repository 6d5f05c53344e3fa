import { Markdown } from "../markdown/markdown.tsx";
import { type App, chosenModel } from "../state/app.ts";

const SUGGESTIONS = ["Tell me a story about a fox.", "What is 12 * 7?", "Hello! What can you do?"];

/** What is shown where no conversation is open. */
export function Welcome({ app }: { readonly app: App }) {
  const { chats, server, settingsOpen } = app;
  const model = chosenModel(app);
  const { value: message } = server.message;
  const base = new URL("v1", document.baseURI).href;
  return (
    <div class="scroll-area">
      <div class="scroller">
        <section class="welcome">
          <h1>What shall we talk about?</h1>
          {model !== null && model.description !== "" && <p class="description">{model.description}</p>}
          {message !== "" && (
            <div role="alert" class="failure">
              <p>{message}</p>
              {server.connection.value === "key" && (
                <button
                  type="button"
                  onClick={() => {
                    settingsOpen.value = true;
                  }}
                >
                  Enter a key
                </button>
              )}
            </div>
          )}
          <ul class="suggestions">
            {SUGGESTIONS.map((text) => (
              <li key={text}>
                <button type="button" onClick={() => chats.send(text)}>
                  {text}
                </button>
              </li>
            ))}
          </ul>
          <details class="program">
            <summary>Call it from a program</summary>
            <p>
              The API is OpenAI's, at <code>{base}</code>. <a href="docs">All requests</a>
            </p>
            <Markdown text={exampleCalls(base, model?.id ?? "deepseek-v3")} />
          </details>
        </section>
      </div>
    </div>
  );
}

function exampleCalls(base: string, model: string): string {
  return `\`\`\`bash
curl ${base}/chat/completions \\
  -H 'content-type: application/json' \\
  -d '{
    "model": "${model}",
    "messages": [{"role": "user", "content": "Hello!"}]
  }'
\`\`\`

\`\`\`javascript
import OpenAI from "openai";

const client = new OpenAI({ baseURL: "${base}", apiKey: "none" });
const answer = await client.chat.completions.create({
  model: "${model}",
  messages: [{ role: "user", content: "Hello!" }],
});
console.log(answer.choices[0].message.content);
\`\`\``;
}
