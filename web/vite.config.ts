import { defineConfig } from "vite";

/** A running server, for `npm run dev:web`. */
const server = process.env.DEEPTS_SERVER ?? "http://127.0.0.1:8080";

export default defineConfig({
  // Relative, so that the page also works below a path of a proxy.
  base: "./",
  build: {
    assetsDir: "page",
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { proxy: { "/health": server, "/v1": server, "/docs": server } },
});
