/** Colours follow the system; the widest line is one that reads well. */
export const PAGE_STYLE = `:root {
  color-scheme: light dark;
  --page: light-dark(#ffffff, #14161a);
  --raised: light-dark(#f2f4f8, #20242b);
  --text: light-dark(#1a1d23, #e6e9ef);
  --quiet: light-dark(#596273, #9aa4b5);
  --line: light-dark(#d5dae3, #353b46);
  --accent: light-dark(#3056d3, #8ea8ff);
  --on-accent: light-dark(#ffffff, #10131a);
  --own: light-dark(#e3eaff, #27335c);
  --error: light-dark(#b3261e, #ff9d94);
  font: 16px/1.5 system-ui, sans-serif;
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body {
  margin: 0 auto;
  max-width: 48rem;
  min-height: 100vh;
  min-height: 100dvh;
  display: flex;
  flex-direction: column;
  background: var(--page);
  color: var(--text);
}
header, main, #composer { padding: 0.75rem 1rem; }
header { display: flex; align-items: center; gap: 0.75rem; border-bottom: 1px solid var(--line); }
h1 { font-size: 1.125rem; margin: 0; }
h2 { font-size: 0.875rem; font-weight: 600; margin: 1rem 0 0.25rem; }
#model { flex: 1; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; color: var(--quiet); }
#model.failed { color: var(--error); white-space: normal; }
main { flex: 1; min-width: 0; }
#description {
  margin: 0 0 1rem;
  padding: 0.5rem 0.75rem;
  border-left: 3px solid var(--accent);
  background: var(--raised);
}
.message { margin: 0 0 1rem; overflow-wrap: anywhere; }
.text { white-space: pre-wrap; }
.user { display: flex; justify-content: flex-end; }
.user .text { max-width: 85%; padding: 0.5rem 0.75rem; border-radius: 0.75rem; background: var(--own); }
.message.busy .text:empty::after { content: "…"; color: var(--quiet); }
.reasoning { margin: 0 0 0.5rem; color: var(--quiet); }
.reasoning div { white-space: pre-wrap; border-left: 2px solid var(--line); padding-left: 0.75rem; }
.error { color: var(--error); }
summary { cursor: pointer; }
#calls { border-top: 1px solid var(--line); padding-top: 0.75rem; color: var(--quiet); }
#messages:empty + #calls { border-top: 0; padding-top: 0; }
#calls p { margin: 0.5rem 0; }
pre {
  margin: 0;
  padding: 0.625rem 0.75rem;
  overflow-x: auto;
  border-radius: 0.5rem;
  background: var(--raised);
  color: var(--text);
  font: 0.8125rem/1.5 ui-monospace, monospace;
}
#composer { position: sticky; bottom: 0; border-top: 1px solid var(--line); background: var(--page); }
#composer > label { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
#composer > div { display: flex; flex-wrap: wrap; align-items: center; gap: 0.5rem 1rem; margin-top: 0.5rem; }
#composer div label { display: inline-flex; align-items: center; gap: 0.375rem; }
#stats { flex: 1; color: var(--quiet); font-size: 0.875rem; text-align: right; }
textarea {
  display: block;
  width: 100%;
  max-height: 40vh;
  padding: 0.5rem 0.75rem;
  border: 1px solid var(--line);
  border-radius: 0.5rem;
  background: var(--page);
  color: inherit;
  font: inherit;
  resize: vertical;
}
button {
  padding: 0.375rem 1rem;
  border: 1px solid var(--line);
  border-radius: 0.5rem;
  background: var(--raised);
  color: inherit;
  font: inherit;
  cursor: pointer;
}
#send { border-color: var(--accent); background: var(--accent); color: var(--on-accent); }
button:disabled { opacity: 0.5; cursor: default; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
`;
