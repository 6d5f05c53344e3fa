import { type MessagePort, parentPort } from "node:worker_threads";
import { JinjaTemplate } from "./jinja.ts";
import type { RenderReply, RenderRequest } from "./template-worker.ts";

/** Entry of the thread that TemplateWorker starts: renders the templates that it is sent, one after the other. */
function serve(port: MessagePort): void {
  let last: { source: string; template: JinjaTemplate } | null = null;
  const render = ({ source, variables }: RenderRequest): RenderReply => {
    try {
      if (last?.source !== source) last = { source, template: new JinjaTemplate(source) };
      return { text: last.template.render(variables) };
    } catch (error) {
      return { error: error instanceof Error ? error.message : String(error) };
    }
  };
  port.on("message", (request: RenderRequest) => {
    port.postMessage("started");
    port.postMessage(render(request));
  });
}

if (parentPort !== null) serve(parentPort);
