/** A list of 32-bit integers that grows: what large automata are made of leaves nothing behind for the collector. */
export class IntList {
  /** Valid up to `length`; another array after `push` had to make room. */
  data = new Int32Array(64);
  length = 0;

  /** @returns its place */
  push(value: number): number {
    if (this.length === this.data.length) {
      const data = new Int32Array(2 * this.length);
      data.set(this.data);
      this.data = data;
    }
    this.data[this.length] = value;
    return this.length++;
  }
}
