import { BackendUnavailableError } from "../../errors.ts";
import type { WeightHandle } from "../../tensor/backend.ts";
import type { Owner } from "./owner.ts";

/** A weight decoded to f32. */
export class ReferenceWeight implements WeightHandle {
  readonly name: string;
  readonly shape: readonly number[];
  readonly bytes: number;
  readonly #owner: Owner;
  #data: Float32Array | null;

  constructor(name: string, shape: readonly number[], data: Float32Array, owner: Owner) {
    this.name = name;
    this.shape = shape;
    this.bytes = data.byteLength;
    this.#data = data;
    this.#owner = owner;
    owner.add(this);
  }

  get data(): Float32Array {
    if (!this.#data) throw new BackendUnavailableError("reference", `weight ${this.name} is closed`);
    return this.#data;
  }

  close(): void {
    this.#data = null;
    this.#owner.delete(this);
  }
}
