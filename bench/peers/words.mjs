/**
 * Texts of one token each that stay it beside one another: words with the space before them.
 * @param {string} file of a model
 * @returns {Promise<string[]>}
 */
export async function wordsOf(file) {
  const { loadText } = await import("../../dist/node.mjs");
  const { tokenizer } = await loadText(file);
  const words = Array.from({ length: tokenizer.size }, (_, id) => tokenizer.decode([id])).filter((text) =>
    /^ [A-Za-z]{3,}$/.test(text),
  );
  return words.filter((word) => tokenizer.encode(word).length === 1);
}
