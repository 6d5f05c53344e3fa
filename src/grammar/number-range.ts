import type { Budget } from "./budget.ts";
import { type ByteDfa, exploreDfa } from "./byte-dfa.ts";

/** What a JSON number must satisfy; bounds are null where there is none. */
export interface NumberRange {
  readonly integer: boolean;
  readonly low: Bound | null;
  readonly high: Bound | null;
  /** A positive integer, or null; with it only integers fit. */
  readonly multipleOf: number | null;
}

export interface Bound {
  readonly value: number;
  readonly exclusive: boolean;
}

/** Digits in all up to which every decimal is a double of its own, so that comparing digits is comparing doubles. */
export const EXACT_DIGITS = 15;

interface Decimal {
  readonly negative: boolean;
  readonly digits: string;
  /** Without zeros at the end. */
  readonly fraction: string;
}

/** How the digits read so far compare with a bound's first ones. */
type Order = -1 | 0 | 1;

interface Reading {
  readonly phase: "start" | "sign" | "integer" | "point" | "fraction";
  readonly negative: boolean;
  readonly zero: boolean;
  /** Digits read before the point, and behind it. */
  readonly length: number;
  readonly behind: number;
  readonly orders: readonly Order[];
  readonly remainder: number;
}

const DIGITS = Array.from("0123456789");

/** Whether `decimalOf` writes a bound exactly in few enough digits. */
export function isExact(value: number): boolean {
  const { digits, fraction } = decimalOf(value);
  if (fraction === "" && Number.isSafeInteger(value)) return true;
  return digits.length + fraction.length <= EXACT_DIGITS;
}

/**
 * The automaton of the numbers in a range: digits with a sign and a point, without an exponent, `-0` left out. They have
 * at most 15 digits (integers 16), so that what JSON.parse makes of them is in the range too. Null when there are none.
 * @throws GrammarError beyond the budget
 */
export function numberRange({ integer, low, high, multipleOf }: NumberRange, budget: Budget): ByteDfa | null {
  const bounds = [low, high].map((bound) => bound && decimalOf(bound.value));
  const longest = Math.max(1, ...bounds.map((b) => b?.digits.length ?? 1));
  const places = integer || multipleOf !== null ? 0 : Math.max(1, EXACT_DIGITS - longest);
  const maxLength = Math.max(EXACT_DIGITS, longest);

  const next = (state: Reading, digit: string): Reading | null => {
    const behind = state.phase === "point" || state.phase === "fraction";
    if (behind ? state.behind >= places : state.length >= maxLength) return null;
    if (state.phase === "integer" && state.length === 1 && state.zero) return null; // no digit behind a leading zero
    const orders = state.orders.map((order, i): Order => {
      const bound = bounds[i];
      if (!bound) return 0;
      const other = behind ? (bound.fraction[state.behind] ?? "0") : bound.digits[state.length];
      return order !== 0 || other === undefined || other === digit ? order : digit < other ? -1 : 1;
    });
    return {
      ...state,
      phase: behind ? "fraction" : "integer",
      zero: state.zero && digit === "0",
      length: behind ? state.length : state.length + 1,
      behind: behind ? state.behind + 1 : 0,
      orders,
      remainder: multipleOf === null ? 0 : (state.remainder * 10 + Number(digit)) % multipleOf,
    };
  };
  /** At the end of the digits before the point, the longer number is the larger one. */
  const atPoint = (state: Reading): Reading => ({
    ...state,
    phase: "point",
    orders: state.orders.map((order, i): Order => {
      const length = bounds[i]?.digits.length ?? state.length;
      return state.length === length ? order : state.length < length ? -1 : 1;
    }),
  });
  const fits = (state: Reading): boolean => {
    if (state.phase !== "integer" && state.phase !== "fraction") return false;
    if (state.remainder !== 0 || (state.negative && state.zero)) return false;
    const { orders, behind } = state.phase === "integer" ? { ...atPoint(state), behind: 0 } : state;
    const compared = orders.map((order, i): Order => {
      const bound = bounds[i];
      if (!bound) return 0;
      if (state.negative !== bound.negative) return state.negative ? -1 : 1;
      const size = order === 0 && behind < bound.fraction.length ? -1 : order;
      return (state.negative ? -size : size) as Order;
    });
    const above = !low || (low.exclusive ? compared[0]! > 0 : compared[0]! >= 0);
    return above && (!high || (high.exclusive ? compared[1]! < 0 : compared[1]! <= 0));
  };

  return exploreDfa<Reading>(
    {
      start: { phase: "start", negative: false, zero: true, length: 0, behind: 0, orders: [0, 0], remainder: 0 },
      key: (s) => `${s.phase},${s.negative},${s.zero},${s.length},${s.behind},${s.orders.join()},${s.remainder}`,
      edges(state, edge) {
        if (state.phase === "start") edge(0x2d, 0x2d, { ...state, phase: "sign", negative: true });
        if (state.phase === "integer" && places > 0) edge(0x2e, 0x2e, atPoint(state));
        for (const digit of DIGITS) {
          const to = next(state, digit);
          if (to !== null) edge(digit.charCodeAt(0), digit.charCodeAt(0), to);
        }
      },
      isFinal: fits,
    },
    budget,
  );
}

function decimalOf(value: number): Decimal {
  const [mantissa, exponent = "0"] = Math.abs(value).toString().split("e");
  const [whole = "", behind = ""] = mantissa!.split(".");
  const point = whole.length + Number(exponent);
  const all = whole + behind;
  const digits = point <= 0 ? "0" : all.slice(0, point).padEnd(point, "0");
  const fraction = point < 0 ? "0".repeat(-point) + all : all.slice(point);
  return { negative: value < 0, digits: digits.replace(/^0+(?=\d)/, ""), fraction: fraction.replace(/0+$/, "") };
}
