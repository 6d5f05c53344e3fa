import { streamAnswer } from "../../scripts/stream-answer.mjs";
import { order } from "../peers/speed.mjs";
import { spread, uniform } from "../peers/statistics.mjs";
import { wordsOf } from "../peers/words.mjs";

/**
 * Time to the first token of a chat's first turn, which is long, and of its second, which asks a little more.
 * @param {readonly import("./servers.mjs").Server[]} servers
 * @param {string} file
 * @param {{ history: number, answer: number, question: number, rounds: number, repeat: number, threads: number }} work
 * history and question: words of one token each; answer: tokens
 * @param {(text: string) => void} say
 */
export async function measureSecondTurn(servers, file, work, say) {
  const { history, answer, question, rounds, repeat, threads } = work;
  const words = await wordsOf(file);
  const measured = new Map(servers.map((server) => [server, { chats: [], facts: null }]));
  for (let round = 0; round < rounds; round++) {
    for (const server of order(servers, round)) {
      say(`round ${round + 1} of ${rounds}: two turns, ${server.name}, ${server.how}`);
      const context = history + 2 * answer + question + 64;
      const running = await server.start(file, { threads, places: 1, context });
      try {
        measured.get(server).facts = running.facts;
        await chat(running.url, words, { ...work, history: question, seed: 1 });
        for (let run = 0; run < repeat; run++) {
          const seed = 2 + round * repeat + run;
          measured.get(server).chats.push(await chat(running.url, words, { history, answer, question, seed }));
        }
      } finally {
        await running.close();
      }
    }
  }
  const entries = [...measured].map(([{ name, how }, { chats, facts }]) => ({
    engine: name,
    how,
    promptTokens: chats[0].promptTokens,
    firstMs: spread(chats.map(({ firstMs }) => firstMs)),
    secondMs: spread(chats.map(({ secondMs }) => secondMs)),
    share: spread(chats.map(({ firstMs, secondMs }) => secondMs / firstMs)),
    facts,
  }));
  return { ...work, runsPerRound: repeat, entries };
}

/** Two turns of one chat that nobody had before. */
async function chat(url, words, { history, answer, question, seed }) {
  const random = uniform(seed);
  const text = (count) => Array.from({ length: count }, () => words[Math.floor(random() * words.length)]).join("");
  const ask = async (messages) => {
    const settings = { max_tokens: answer, temperature: 1, top_k: 40, top_p: 1, min_p: 0, seed };
    const { start, pieces, usage } = await streamAnswer(`${url}/v1/chat/completions`, { messages, ...settings });
    return {
      firstMs: pieces[0].at - start,
      promptTokens: usage.prompt_tokens,
      said: pieces.map(({ text }) => text).join(""),
    };
  };
  const messages = [{ role: "user", content: text(history) }];
  const first = await ask(messages);
  messages.push({ role: "assistant", content: first.said }, { role: "user", content: text(question) });
  const second = await ask(messages);
  return {
    promptTokens: [first.promptTokens, second.promptTokens],
    firstMs: first.firstMs,
    secondMs: second.firstMs,
  };
}
