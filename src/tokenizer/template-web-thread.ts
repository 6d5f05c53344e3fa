import { serveTemplates } from "./template-server.ts";
import type { RenderReply } from "./template-worker.ts";

// Entry of the thread that template-web.ts starts; there `self` is its end of the channel, not a window.
const serve = serveTemplates((reply: RenderReply) => self.postMessage(reply));
self.onmessage = ({ data }) => serve(data);
