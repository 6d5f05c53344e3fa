import { Vocabulary } from "../../src/grammar/vocabulary.ts";

/** All 256 bytes as tokens 0 to 255, then these texts or bytes, then added tokens. */
export function smallVocabulary(words: readonly (string | Uint8Array)[], added: readonly string[] = []): Vocabulary {
  const bytes = [
    ...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)),
    ...[...words, ...added].map((word) => (typeof word === "string" ? new TextEncoder().encode(word) : word)),
  ];
  const firstAdded = 256 + words.length;
  return Vocabulary.of({
    size: bytes.length,
    tokenBytes: (id) => bytes[id] ?? null,
    addedToken: (id) => (id >= firstAdded ? { id } : null),
  });
}
