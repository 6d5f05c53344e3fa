import { streamAnswer } from "./stream-answer.mjs";

/** Numbers of a request's fate: of ten, how many are left at once, and how many somewhere on the way. */
const LEFT_AT_ONCE = 1;
const LEFT_LATER = 3;

const WORDS = "a fox, an old boat, two carrots, the king of Velmaris, rain, my sister, a lost key, seven bells".split(
  ", ",
);

/**
 * What is asked: chats of a few to some hundred tokens, seeded, so that each has one right answer.
 * @param {number} count
 * @param {number} maxTokens of the answer
 */
export function loadJobs(count, maxTokens) {
  return Array.from({ length: count }, (_, seed) => {
    const about = Array.from({ length: 1 + (seed % 4) ** 3 }, (_, i) => WORDS[(seed + i) % WORDS.length]);
    const content = `Tell me a story about ${about.join(" and ")}.`;
    return { messages: [{ role: "user", content }], max_tokens: maxTokens, temperature: 1, seed, ignore_eos: true };
  });
}

/**
 * Many streams at once, each asking for one thing after another; some leave before their answer is complete.
 * @param {string} url of the server
 * @param {object} load
 * @param {readonly object[]} load.jobs bodies of /v1/chat/completions
 * @param {number} load.streams
 * @param {() => number} load.random in [0, 1)
 * @param {(started: number) => boolean} load.goesOn asked before each request, with how many there were
 * @returns {Promise<{ finished: number, left: number, faults: string[], firstMs: number[], betweenMs: number[] }>}
 * left: by the client; faults: texts that are not those of the same request asked alone before, and errors
 */
export async function runLoad(url, { jobs, streams, random, goesOn }) {
  const endpoint = `${url}/v1/chat/completions`;
  const right = [];
  for (const job of jobs) right.push(textOf(await streamAnswer(endpoint, job)));
  const result = { finished: 0, left: 0, faults: [], firstMs: [], betweenMs: [] };
  let started = 0;

  const once = async () => {
    const which = Math.floor(random() * jobs.length);
    const fate = random() * 10;
    const leavesAfter =
      fate < LEFT_AT_ONCE ? 0 : fate < LEFT_AT_ONCE + LEFT_LATER ? random() * jobs[which].max_tokens : null;
    const abort = new AbortController();
    let text = "";
    let pieces = 0;
    const onPiece = (piece) => {
      text += piece;
      if (leavesAfter !== null && ++pieces >= leavesAfter) abort.abort();
    };
    try {
      const answer = streamAnswer(endpoint, jobs[which], { signal: abort.signal, onPiece });
      if (leavesAfter === 0) setImmediate(() => abort.abort());
      const { start, pieces } = await answer;
      result.finished++;
      if (text !== right[which]) result.faults.push(`seed ${which}: ${differing(text, right[which])}`);
      result.firstMs.push(pieces[0].at - start);
      for (const [i, { at }] of pieces.slice(1).entries()) result.betweenMs.push(at - pieces[i].at);
    } catch (error) {
      if (!abort.signal.aborted) result.faults.push(`seed ${which}: ${error.message}`);
      else if (!right[which].startsWith(text))
        result.faults.push(`seed ${which}, left: ${differing(text, right[which])}`);
      else result.left++;
    }
  };
  const stream = async () => {
    while (goesOn(started)) {
      started++;
      await once();
    }
  };
  await Promise.all(Array.from({ length: streams }, stream));
  return result;
}

function textOf({ pieces }) {
  return pieces.map(({ text }) => text).join("");
}

function differing(text, right) {
  let same = 0;
  while (same < text.length && text[same] === right[same]) same++;
  return `${JSON.stringify(text.slice(same))} at ${same}, want ${JSON.stringify(right.slice(same))}`;
}
