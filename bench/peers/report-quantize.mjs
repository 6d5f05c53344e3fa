// What docs/NUMERICS.md says of quantisers, made of the newest stored run of `npm run bench:peers -- --only quantize`.
import { table } from "./report.mjs";

/**
 * Markdown by name of the section.
 * @param {readonly { file: string, record: object }[]} runs
 */
export function numericsSections(runs) {
  const measured = runs.filter(({ record }) => record.parts.quantize);
  if (measured.length === 0) return { quantisers: "No run is stored yet." };
  const { file, record } = measured.reduce((a, b) => (a.record.date < b.record.date ? b : a));
  const { source, errors, files } = record.parts.quantize;
  return {
    quantisers: [
      `Values of ${source}, importance drawn at random (0.01 to 10); [run](../bench/results/${file}). Errors are sums of`,
      "w (x - stored)^2 over all matrices, as parts of the sum of w x^2; the ratio is DeepTS by llama.cpp.",
      "",
      table(
        ["Type", "DeepTS", "llama.cpp", "ratio", "DeepTS, with importance", "llama.cpp, with importance", "ratio"],
        errorRows(errors),
      ),
      "",
      "Each file type as llama.cpp reads it: the mean KL of its logits from exact maths on what is stored, beside that of `fast`",
      "numerics, and how far the greedy texts of exact maths and of llama.cpp agree.",
      "",
      table(["File type", "KL, llama.cpp", "KL, DeepTS `fast`", "greedy text agrees for"], files.map(fileRow)),
    ].join("\n"),
  };
}

function errorRows(errors) {
  return [...new Set(errors.map(({ type }) => type))].map((type) => {
    const sides = [false, true].flatMap((weighted) => {
      const found = errors.find((error) => error.type === type && error.weighted === weighted);
      return found ? [percent(found.deepts), percent(found.llamaCpp), found.ratio.toFixed(3)] : ["", "", ""];
    });
    return [type, ...sides];
  });
}

function fileRow({ type, kl, greedy }) {
  const { deepts, llamaCpp } = greedy;
  let same = 0;
  while (same < deepts.length && deepts[same] === llamaCpp[same]) same++;
  const agrees = deepts === llamaCpp ? `all ${deepts.length} characters` : `${same} of ${deepts.length} characters`;
  return [type, small(kl.llamaCpp), small(kl.deeptsFast), agrees];
}

const percent = (part) => `${Number((100 * part).toPrecision(4))} %`;
const small = (value) => (value === 0 ? "0" : Number(value.toPrecision(2)).toString());
