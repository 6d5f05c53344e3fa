// The official OpenAI client, plain and streamed, against a running `deepts serve`.
//   node examples/openai-client.mjs [http://127.0.0.1:8080]
import OpenAI from "openai";

const [server = "http://127.0.0.1:8080"] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${server}/v1`, apiKey: "any" });

const messages = [{ role: "user", content: "What is the capital of France?" }];
const completion = await client.chat.completions.create({ model: "deepseek-v3", messages, max_tokens: 50 });
console.log(`${completion.model}: ${completion.choices[0].message.content}`);

const stream = await client.chat.completions.create({
  model: "deepseek-v3",
  messages: [{ role: "user", content: "Tell me a story about a fox." }],
  max_tokens: 50,
  stream: true,
});
for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta.content ?? "");
process.stdout.write("\n");
