// What docs/NUMERICS.md says of quantisers, made of stored runs of `npm run bench:peers -- --only quantize,files`.
import { table } from "./markdown.mjs";

/**
 * Markdown by name of the section. Each part comes from the newest run that measured it.
 * @param {readonly { file: string, record: object }[]} runs
 */
export function numericsSections(runs) {
  return { quantisers: section(runs, "quantize", errorsText), files: section(runs, "files", filesText) };
}

function section(runs, part, textOf) {
  const measured = runs.filter(({ record }) => record.parts[part]);
  if (measured.length === 0) return "No run is stored yet.";
  const { file, record } = measured.reduce((a, b) => (a.record.date < b.record.date ? b : a));
  return textOf(record.parts[part], `[run](../bench/results/${file})`);
}

function errorsText({ source, errors }, run) {
  const sides = ["DeepTS", "llama.cpp", "ratio"];
  const about = `Values of ${source}, importance drawn at random (0.01 to 10); ${run}. Errors are sums of w (x - stored)^2 over all
matrices, as parts of the sum of w x^2; the ratio is DeepTS by llama.cpp.`;
  return `${about}\n\n${table(["Type", ...sides, ...sides.map((side) => `${side}, with importance`)], errorRows(errors))}`;
}

function filesText({ source, files }, run) {
  const about = `${source} in each file type, as llama.cpp reads it: the KL of its logits from exact maths on what is stored, beside that of
\`fast\` numerics, and how far the greedy texts of exact maths and of llama.cpp agree; ${run}. Means hang on the few
rows whose rounding chooses another expert.`;
  const head = [
    "File type",
    "mean KL, llama.cpp",
    "mean KL, DeepTS `fast`",
    "median KL, llama.cpp",
    "median KL, DeepTS `fast`",
    "greedy text agrees for",
  ];
  return `${about}\n\n${table(head, files.map(fileRow))}`;
}

function errorRows(errors) {
  return [...new Set(errors.map(({ type }) => type))].map((type) => {
    const sides = [false, true].flatMap((weighted) => {
      const found = errors.find((error) => error.type === type && error.weighted === weighted);
      return found ? [percent(found.deepts), percent(found.llamaCpp), ratioText(found)] : ["", "", ""];
    });
    return [type, ...sides];
  });
}

function fileRow({ type, kl, greedy }) {
  const { deepts, llamaCpp } = greedy;
  let same = 0;
  while (same < deepts.length && deepts[same] === llamaCpp[same]) same++;
  const agrees = deepts === llamaCpp ? `all ${deepts.length} characters` : `${same} of ${deepts.length} characters`;
  const sides = [kl.llamaCpp, kl.deeptsFast];
  return [type, ...sides.map(({ mean }) => small(mean)), ...sides.map(({ median }) => small(median)), agrees];
}

/** Neither loses anything where the source was of this type already. */
const ratioText = ({ ratio }) => (ratio === null ? "none lost" : ratio.toFixed(3));
const percent = (part) => `${Number((100 * part).toPrecision(4))} %`;
const small = (value) => (value === 0 ? "0" : Number(value.toPrecision(2)).toString());
