import type { SerializedError } from "vitest";
import { DefaultReporter, type TestCase, type TestModule } from "vitest/node";
import { type Outcome, summarise } from "./reporter-summary.ts";

type EndOfRun = Parameters<DefaultReporter["onTestRunEnd"]>;

/** Vitest's own report, then the golden errors, the skips by reason and the plain closing line. */
export default class Reporter extends DefaultReporter {
  override onTestRunEnd(...[modules, errors, reason]: EndOfRun): void {
    super.onTestRunEnd(modules, errors, reason);
    // A name filter skips tests without a reason; then nobody asked for the whole.
    const strict = process.env.CI === "true" && this.ctx.config.testNamePattern === undefined;
    const summary = summarise([...modules.flatMap(outcomesOf), ...errors.map(strayError)], strict);
    for (const line of summary.lines) this.ctx.logger.log(line);
    if (!summary.ok) process.exitCode = 1;
  }
}

function outcomesOf(module: TestModule): Outcome[] {
  const failures = [module, ...module.children.allSuites()].flatMap((part) =>
    part.errors().map((): Outcome => ({ title: module.relativeModuleId, state: "failed" })),
  );
  return [...failures, ...[...module.children.allTests()].map(outcomeOf)];
}

function outcomeOf(test: TestCase): Outcome {
  const result = test.result();
  const title = `${test.module.relativeModuleId} > ${test.fullName}`;
  // A test still pending when the run ends was cut off by a crash or a signal.
  const state = result.state === "pending" ? "failed" : result.state;
  const reason = result.state === "skipped" ? result.note : undefined;
  return { title, state, reason, golden: test.meta().golden };
}

function strayError(error: SerializedError): Outcome {
  return { title: error.message, state: "failed" };
}
