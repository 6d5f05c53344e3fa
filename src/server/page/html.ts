/** The page at `/`. The calls are filled in by the script, which knows the address. */
export const PAGE_HTML = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>DeepTS</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='4' fill='%233056d3'/%3E%3Cpath d='M4 4h4a4 4 0 0 1 0 8H4z' fill='none' stroke='white' stroke-width='2'/%3E%3C/svg%3E">
<link rel="stylesheet" href="/page.css">
<script type="module" src="/page.js"></script>
</head>
<body>
<header>
  <h1>DeepTS</h1>
  <span id="model" role="status">loading the model</span>
  <button id="clear" type="button" hidden>New chat</button>
</header>
<main>
  <p id="description" hidden></p>
  <noscript>This page needs JavaScript; the API does not.</noscript>
  <div id="messages" role="log" aria-label="Conversation"></div>
  <details id="calls" open>
    <summary>Call it from a program</summary>
    <p>The API is OpenAI's. Any model name is accepted while one model is served.</p>
    <h2>Is it ready?</h2>
    <pre id="call-health" tabindex="0"></pre>
    <h2>Which model?</h2>
    <pre id="call-models" tabindex="0"></pre>
    <h2>Ask it something</h2>
    <pre id="call-chat" tabindex="0"></pre>
    <h2>The same with the <code>openai</code> package</h2>
    <pre id="call-client" tabindex="0"></pre>
  </details>
</main>
<form id="composer">
  <label for="prompt">Your message</label>
  <textarea id="prompt" rows="2" placeholder="Say something" autofocus></textarea>
  <div>
    <label><input id="thinking" type="checkbox"> Reason first</label>
    <span id="stats" role="status"></span>
    <button id="send" type="submit" disabled>Send</button>
    <button id="stop" type="button" hidden>Stop</button>
  </div>
</form>
</body>
</html>
`;
