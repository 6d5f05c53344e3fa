/** The page's script, as browsers get it. Whatever a model or a server says is only ever set as text. */
export const PAGE_SCRIPT = String.raw`const byId = (id) => document.getElementById(id);
const conversation = [];
let running = null;
let modelName = "deepseek-v3";

function showCalls() {
  const base = location.origin;
  byId("call-health").textContent = "curl " + base + "/health";
  byId("call-models").textContent = "curl " + base + "/v1/models";
  byId("call-chat").textContent = [
    "curl " + base + "/v1/chat/completions \\",
    "  -H 'content-type: application/json' \\",
    "  -d '{",
    '    "model": "' + modelName + '",',
    '    "messages": [{"role": "user", "content": "Hello!"}],',
    '    "max_tokens": 100',
    "  }'",
  ].join("\n");
  byId("call-client").textContent = [
    'import OpenAI from "openai";',
    "",
    'const client = new OpenAI({ baseURL: "' + base + '/v1", apiKey: "none" });',
    "const answer = await client.chat.completions.create({",
    '  model: "' + modelName + '",',
    '  messages: [{ role: "user", content: "Hello!" }],',
    "});",
    "console.log(answer.choices[0].message.content);",
  ].join("\n");
}

async function waitForModel() {
  for (;;) {
    const health = await fetch("/health").then((response) => response.json(), () => null);
    if (health !== null && health.status === "ok") break;
    const label = byId("model");
    label.classList.toggle("failed", health !== null && health.status === "failed");
    label.textContent =
      health === null ? "the server does not answer" : health.status === "failed" ? health.message : "loading the model";
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  const [card] = (await fetch("/v1/models").then((response) => response.json())).data;
  modelName = card.id;
  document.title = card.id + " · DeepTS";
  byId("model").classList.remove("failed");
  byId("model").textContent = card.id;
  byId("description").textContent = card.description;
  byId("description").hidden = card.description === "";
  byId("send").disabled = false;
  showCalls();
}

function element(name, className, parent) {
  const node = document.createElement(name);
  node.className = className;
  parent.append(node);
  return node;
}

function addMessage(role) {
  const message = element("div", "message " + role, byId("messages"));
  return { message, text: element("div", "text", message) };
}

function scrollToEnd() {
  document.documentElement.scrollTop = document.documentElement.scrollHeight;
}

/** Follows the answer, unless someone has scrolled up to read. */
function keepInView(change) {
  const page = document.documentElement;
  const atEnd = page.scrollHeight - page.clientHeight - page.scrollTop < 120;
  change();
  if (atEnd) scrollToEnd();
}

/** Yields the data of each server-sent event; lines may be cut anywhere between two reads. */
async function* readEvents(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line.startsWith("data: ")) yield line.slice(6);
  }
}

async function* ask(signal) {
  const response = await fetch("/v1/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      model: modelName,
      messages: conversation,
      stream: true,
      stream_options: { include_usage: true },
      thinking: byId("thinking").checked,
    }),
    signal,
  });
  if (!response.ok) throw new Error((await response.json()).error.message);
  for await (const data of readEvents(response.body)) {
    if (data === "[DONE]") return;
    const chunk = JSON.parse(data);
    if (chunk.error) throw new Error(chunk.error.message);
    yield chunk;
  }
  throw new Error("the answer broke off");
}

function showReasoning(view, piece) {
  if (!view.reasoning) {
    const details = document.createElement("details");
    details.className = "reasoning";
    element("summary", "", details).textContent = "Reasoning";
    view.reasoning = element("div", "", details);
    view.message.prepend(details);
  }
  view.reasoning.textContent += piece;
}

async function answer() {
  const view = addMessage("assistant");
  view.message.classList.add("busy");
  scrollToEnd();
  running = new AbortController();
  setBusy(true);
  byId("stats").textContent = "";
  let started = null;
  let content = "";
  try {
    for await (const chunk of ask(running.signal)) {
      started ??= performance.now();
      const delta = chunk.choices[0] ? chunk.choices[0].delta : {};
      keepInView(() => {
        if (delta.reasoning_content) showReasoning(view, delta.reasoning_content);
        if (delta.content) view.text.textContent = content += delta.content;
      });
      if (chunk.usage) showStats(chunk.usage.completion_tokens, performance.now() - started);
    }
  } catch (error) {
    if (error.name === "AbortError") byId("stats").textContent = "stopped";
    else {
      const line = element("p", "error", view.message);
      line.setAttribute("role", "alert");
      line.textContent = error.message;
    }
  }
  view.message.classList.remove("busy");
  conversation.push({ role: "assistant", content });
  running = null;
  setBusy(false);
}

function showStats(tokens, milliseconds) {
  const rate = tokens > 1 ? ", " + (((tokens - 1) * 1000) / milliseconds).toFixed(1) + " a second" : "";
  byId("stats").textContent = tokens + (tokens === 1 ? " token" : " tokens") + rate;
}

function setBusy(busy) {
  byId("send").hidden = busy;
  byId("stop").hidden = !busy;
  byId("clear").hidden = busy || conversation.length === 0;
  if (!busy) byId("prompt").focus();
}

byId("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const prompt = byId("prompt");
  const text = prompt.value.trim();
  if (text === "" || running !== null || byId("send").disabled) return;
  prompt.value = "";
  byId("calls").open = false;
  conversation.push({ role: "user", content: text });
  addMessage("user").text.textContent = text;
  void answer();
});

byId("prompt").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  byId("composer").requestSubmit();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && running !== null) running.abort();
});

byId("stop").addEventListener("click", () => running?.abort());

byId("clear").addEventListener("click", () => {
  conversation.length = 0;
  byId("messages").replaceChildren();
  byId("stats").textContent = "";
  setBusy(false);
});

showCalls();
void waitForModel();
`;
