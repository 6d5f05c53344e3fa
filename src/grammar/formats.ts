import { Budget } from "./budget.ts";
import type { Expr } from "./expr.ts";
import { regexMatching } from "./regex.ts";

const DATE =
  "(\\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\\d|3[01])|(0[469]|11)-(0[1-9]|[12]\\d|30)|02-(0[1-9]|1\\d|2[0-8]))" +
  "|(\\d\\d(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)";
const TIME = "([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,15})?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)";
const DAYS = "\\d{1,6}D|\\d{1,6}M(\\d{1,6}D)?|\\d{1,6}Y(\\d{1,6}M(\\d{1,6}D)?)?";
const HOURS = "\\d{1,6}S|\\d{1,6}M(\\d{1,6}S)?|\\d{1,6}H(\\d{1,6}M(\\d{1,6}S)?)?";
const LABEL = "[A-Za-z0-9]{1,20}(-[A-Za-z0-9]{1,20}){0,2}";
const ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]";
const HOST = `${LABEL}(\\.${LABEL}){0,3}`;
const BYTE = "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const IPV4 = `${BYTE}(\\.${BYTE}){3}`;
const H16 = "[0-9A-Fa-f]{1,4}";
const URI_CHARACTER = "([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})";

/** RFC 4291, 2.2: eight groups, or fewer with `::` for the others; the last two may be an IPv4 address. */
const IPV6 = [
  `(${H16}:){6}(${H16}:${H16}|${IPV4})`,
  `::(${H16}(:${H16}){0,6}|(${H16}:){0,5}${IPV4})?`,
  ...[1, 2, 3, 4, 5, 6].map((n) => `${H16}(:${H16}){${n - 1}}::(${H16}(:${H16}){0,${6 - n}})?`),
  ...[1, 2, 3, 4].map((n) => `${H16}(:${H16}){${n - 1}}::(${H16}:){0,${5 - n}}${IPV4}`),
].join("|");

/**
 * What `format` may be, as regular expressions of what is written. Each is a part of what its RFC allows that validators
 * agree on: no comments in e-mail addresses, no leap seconds, host names of at most four labels.
 */
const FORMATS: Readonly<Record<string, string>> = {
  "date-time": `${DATE}T${TIME}`,
  date: DATE,
  time: TIME,
  duration: `P(\\d{1,6}W|(${DAYS})(T(${HOURS}))?|T(${HOURS}))`,
  email: `${ATOM}{1,32}(\\.${ATOM}{1,15}){0,2}@${LABEL}(\\.${LABEL}){1,3}`,
  hostname: HOST,
  ipv4: IPV4,
  ipv6: IPV6,
  uuid: "[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
  uri: `[A-Za-z][A-Za-z0-9+.-]*://${HOST}(:\\d{1,4})?(/${URI_CHARACTER}*)*(\\?(${URI_CHARACTER}|[/?])*)?(#(${URI_CHARACTER}|[/?])*)?`,
};

export const FORMAT_NAMES: readonly string[] = Object.keys(FORMATS);

/** The texts of a format, or null for one that is not known. None of their characters is escaped in JSON. */
export function formatExpr(name: string): Expr | null {
  const regex = Object.hasOwn(FORMATS, name) ? FORMATS[name]! : null;
  return regex === null ? null : regexMatching(regex, "format", new Budget());
}
