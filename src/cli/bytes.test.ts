import { expect, test } from "vitest";
import { parseBytes } from "./bytes.ts";

test("amounts of memory are read with decimal and binary units, and without", () => {
  const read = ["8GB", "8GiB", "1.5 gb", "512M", "2KiB", " 7 ", "100B", "1TiB"].map(parseBytes);
  expect(read).toEqual([8e9, 8 * 2 ** 30, 1.5e9, 512e6, 2048, 7, 100, 2 ** 40]);
});

test.each(["", "GB", "8XB", "-1GB", "0", "8iB", "1e3", "8 G B", "99999999TB", "0.1B"])("%j is no amount", (text) => {
  expect(parseBytes(text)).toBeNaN();
});
