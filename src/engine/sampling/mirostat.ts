import type { Candidates } from "./candidates.ts";

/**
 * Mirostat v2: keeps tokens whose surprise -log2 p is at most mu, and steers mu so that the surprise of the chosen
 * tokens averages `tau` bits. Source: Basu et al., arXiv:2007.14966, algorithm 2. As in the authors' code, the surprise
 * that steers is that of the distribution before truncation (llama.cpp takes the one after it).
 */
export class Mirostat {
  private readonly tau: number;
  private readonly eta: number;
  /** The largest surprise let through, in bits. */
  private mu: number;

  constructor(tau: number, eta: number) {
    this.tau = tau;
    this.eta = eta;
    this.mu = 2 * tau;
  }

  /** Removes the tokens that are too surprising and returns the index at `u` in [0, 1) of the others. */
  choose(c: Candidates, u: number): number {
    c.softmax();
    const { logits, logSum } = c;
    const best = c.best();
    const least = logSum - this.mu * Math.LN2;
    c.keepWhere((i) => logits[i]! >= least || i === best);
    c.softmax();
    const chosen = c.at(u);
    const surprise = (logSum - logits[chosen]!) / Math.LN2;
    this.mu -= this.eta * (surprise - this.tau);
    return chosen;
  }
}
