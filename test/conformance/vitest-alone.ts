// What the suites import from vitest, for a process that vitest does not run in: the same runner and the same expect.
import { chai, JestAsymmetricMatchers, JestChaiExpect, JestExtend } from "@vitest/expect";

chai.use(JestExtend);
chai.use(JestChaiExpect);
chai.use(JestAsymmetricMatchers);

export const expect = chai.expect;
export { afterAll, beforeAll, describe, it } from "@vitest/runner";
