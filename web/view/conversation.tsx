import { useSignal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import { type App, isLoading } from "../state/app.ts";
import { AnswerView } from "./answer-view.tsx";
import { IconButton } from "./icon-button.tsx";
import { QuestionView } from "./question-view.tsx";
import { Welcome } from "./welcome.tsx";

/** Closer to the end than this, the page follows a growing answer. */
const NEAR_END = 80;

export function Conversation({ app }: { readonly app: App }) {
  const { chats } = app;
  const scroller = useRef<HTMLDivElement>(null);
  const following = useSignal(true);
  const conversation = chats.open.value;
  const answering = chats.answering.value;
  const toEnd = () => {
    const element = scroller.current;
    if (element !== null) element.scrollTop = element.scrollHeight;
  };
  const count = conversation?.messages.length ?? 0;
  // Another conversation and a new question begin at the end; else only who has not scrolled up is taken along.
  useLayoutEffect(() => {
    following.value = true;
    toEnd();
  }, [conversation?.id, count]);
  if (conversation === null) return <Welcome app={app} />;
  const { messages } = conversation;
  const lastIndex = messages.length - 1;
  return (
    <div class="scroll-area">
      <div
        class="scroller"
        ref={scroller}
        onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
          following.value = scrollHeight - scrollTop - clientHeight < NEAR_END;
        }}
      >
        <ol class="messages" aria-label="Conversation">
          {messages.map((message, index) => (
            <li key={`${conversation.id} ${index}`} class={message.role}>
              {message.role === "user" ? (
                <QuestionView app={app} question={message} index={index} />
              ) : (
                <AnswerView app={app} answer={message} isLast={index === lastIndex && !answering} />
              )}
            </li>
          ))}
          {answering && (
            <li key={`${conversation.id} ${messages.length}`} class="assistant" aria-busy="true">
              <CurrentAnswer app={app} onChange={() => following.peek() && toEnd()} />
            </li>
          )}
        </ol>
        <p role="status" class="unseen">
          {answering ? (
            <CurrentState app={app} />
          ) : messages[lastIndex]?.role === "assistant" ? (
            "The answer has ended"
          ) : (
            ""
          )}
        </p>
      </div>
      {!following.value && <IconButton class="to-end" icon="down" label="To the end" onClick={toEnd} />}
    </div>
  );
}

/** For those who do not see the answer. */
function CurrentState({ app }: { readonly app: App }) {
  const answer = app.chats.current.value;
  const waits = answer !== null && answer.startedMs === null && isLoading(app, answer.model);
  return <>{waits ? "Loading the model" : "Answering"}</>;
}

/** Apart from the others, which then need not be looked at while it grows. */
function CurrentAnswer({ app, onChange }: { readonly app: App; readonly onChange: () => void }) {
  const answer = app.chats.current.value;
  useLayoutEffect(onChange, [answer]);
  return answer === null ? null : <AnswerView app={app} answer={answer} isLast={false} />;
}
