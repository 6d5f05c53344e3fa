import { JinjaTemplate } from "./jinja.ts";
import type { RenderReply, RenderRequest } from "./template-worker.ts";

/**
 * What a thread of TemplateWorker does: renders the templates that it is sent, one after the other.
 * @returns what to call with each request
 */
export function serveTemplates(post: (reply: RenderReply) => void): (request: RenderRequest) => void {
  let last: { source: string; template: JinjaTemplate } | null = null;
  const render = ({ source, variables }: RenderRequest): RenderReply => {
    try {
      if (last?.source !== source) last = { source, template: new JinjaTemplate(source) };
      return { text: last.template.render(variables) };
    } catch (error) {
      return { error: error instanceof Error ? error.message : String(error) };
    }
  };
  return (request) => {
    post("started");
    post(render(request));
  };
}
