/** Collects the little-endian bytes of a file header. */
export class HeaderBuilder {
  #bytes = new Uint8Array(1024);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** The bytes so far, as a view. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  bytes(bytes: Uint8Array): void {
    const at = this.#extend(bytes.length);
    this.#bytes.set(bytes, at);
  }
  u8(value: number): void {
    const at = this.#extend(1);
    this.#view.setUint8(at, value);
  }
  u16(value: number): void {
    const at = this.#extend(2);
    this.#view.setUint16(at, value, true);
  }
  u32(value: number): void {
    const at = this.#extend(4);
    this.#view.setUint32(at, value, true);
  }
  f32(value: number): void {
    const at = this.#extend(4);
    this.#view.setFloat32(at, value, true);
  }
  f64(value: number): void {
    const at = this.#extend(8);
    this.#view.setFloat64(at, value, true);
  }
  u64(value: number | bigint): void {
    const at = this.#extend(8);
    this.#view.setBigUint64(at, BigInt(value), true);
  }
  zeros(count: number): void {
    this.#extend(count);
  }

  /** Adds `count` zero bytes and returns where they start. */
  #extend(count: number): number {
    const at = this.#length;
    this.#length = at + count;
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.length));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }
}
