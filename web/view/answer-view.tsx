import { Markdown } from "../markdown/markdown.tsx";
import type { Failure } from "../server/failure.ts";
import { type Answer, seconds, statsOf } from "../state/answer.ts";
import { type App, isLoading } from "../state/app.ts";
import { focusComposer } from "./composer.tsx";
import { CopyButton } from "./copy-button.tsx";
import { Icon } from "./icon.tsx";
import { IconButton } from "./icon-button.tsx";

interface AnswerProps {
  readonly app: App;
  readonly answer: Answer;
  /** Whether it can be made anew. */
  readonly isLast: boolean;
}

export function AnswerView({ app, answer, isLast }: AnswerProps) {
  const { content, end, failure, reasoning } = answer;
  const from = app.server.models.value.length > 1 ? [answer.model] : [];
  const regenerate = () => {
    app.chats.regenerate();
    focusComposer();
  };
  return (
    <>
      {reasoning !== "" && <Reasoning answer={answer} />}
      {content !== "" && <Markdown text={content} />}
      {end === null && content === "" && reasoning === "" && (
        <p class="waiting" aria-hidden="true">
          <span />
          <span />
          <span />
          {isLoading(app, answer.model) && <small>Loading the model…</small>}
        </p>
      )}
      {failure !== null && <FailureView app={app} failure={failure} onRetry={isLast ? regenerate : null} />}
      {end !== null && (
        <div class="actions">
          {content !== "" && <CopyButton text={content} label="Copy the answer" />}
          {isLast && failure === null && <IconButton icon="regenerate" label="Regenerate" onClick={regenerate} />}
          <span class="stats">{[...ENDS[end], ...from, ...statsOf(answer)].join(" · ")}</span>
        </div>
      )}
    </>
  );
}

const ENDS = { stop: [], length: ["cut off at max tokens"], stopped: ["stopped"], failed: [] };

function Reasoning({ answer: { content, end, reasoning, reasoningMs } }: { readonly answer: Answer }) {
  const goesOn = end === null && content === "";
  const [from, to] = reasoningMs ?? [0, 0];
  return (
    <details class="reasoning">
      <summary>
        {goesOn ? "Thinking" : "Thought"} for {seconds(to - from)}
        {goesOn && "…"}
      </summary>
      <Markdown text={reasoning} />
    </details>
  );
}

interface FailureProps {
  readonly app: App;
  readonly failure: Failure;
  readonly onRetry: (() => void) | null;
}

function FailureView({ app, failure: { kind, message }, onRetry }: FailureProps) {
  return (
    <div role="alert" class="failure">
      <p>{message}</p>
      {kind === "key" && (
        <button
          type="button"
          onClick={() => {
            app.settingsOpen.value = true;
          }}
        >
          Enter a key
        </button>
      )}
      {onRetry !== null && (
        <button type="button" onClick={onRetry}>
          <Icon name="regenerate" /> Try again
        </button>
      )}
    </div>
  );
}
