/** The model that is served when no other is named. To replace it, put its file into models/ and change this constant. */
export const EMBEDDED_MODEL = {
  /** In models/. */
  file: "deepts-tiny-Q8_0.gguf",
  id: "deepts-tiny",
  description:
    "A tiny demonstration model with the DeepSeek-V3 architecture (25 million parameters). " +
    "It knows a few dozen facts and formulaic stories, and is often wrong.",
  /** What the file says of itself (`general.*`); scripts/embedded-model.mjs writes it. */
  general: {
    name: "deepts-tiny",
    description: "A tiny demonstration model with the DeepSeek-V3 architecture; see models/deepts-tiny/MODEL_CARD.md.",
    license: "mit",
  },
} as const;
