import { errorBodyOf } from "./dialects.ts";
import { toApiError } from "./errors.ts";
import type { RouteContext } from "./routes/route.ts";
import { within } from "./sse.ts";

/**
 * Answers with one JSON value once it is there. DeepSeek's clients get an empty line whenever they have waited for
 * `keepAliveMs`, as from DeepSeek; white space before JSON means nothing. Past the first one the status is 200 for good:
 * an error is then told by the body alone.
 */
export async function answerJson(value: Promise<object>, context: RouteContext): Promise<Response> {
  const { dialect, limits, reportError } = context;
  if (dialect !== "deepseek") return Response.json(await value);
  const early = await within(value, limits.keepAliveMs);
  if (early !== null) return Response.json(early);
  value.catch(() => {}); // pull looks at it; until then nobody may call it unhandled
  const encoder = new TextEncoder();
  let first = true;
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const send = (text: string) => controller.enqueue(encoder.encode(text));
        try {
          const answer = first ? null : await within(value, limits.keepAliveMs);
          first = false;
          if (answer === null) return send("\n");
          send(JSON.stringify(answer));
        } catch (error) {
          const apiError = toApiError(error);
          reportError(apiError);
          send(JSON.stringify(errorBodyOf(apiError, dialect, null)));
        }
        controller.close();
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, { headers: { "content-type": "application/json" } });
}
