import type { RenderReply, StartTemplateThread } from "./template-worker.ts";

/**
 * Web workers for TemplateWorker. A browser sets no limit to a worker's memory but that of the page.
 * @param program of the thread: template-web-thread.ts, bundled
 */
export function webTemplateThread(program: URL): StartTemplateThread {
  return (onReply, onEnd) => {
    const worker = new Worker(program, { type: "module" });
    worker.onmessage = ({ data }: MessageEvent<RenderReply>) => onReply(data);
    // A program that cannot be fetched makes an event without a message.
    worker.onerror = ({ message }) => onEnd(`the rendering thread failed: ${message || `${program} does not load`}`);
    return {
      post: (request) => worker.postMessage(request),
      hold: () => {},
      end: async () => worker.terminate(),
    };
  };
}
