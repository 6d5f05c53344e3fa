import type { Budget } from "./budget.ts";
import { choice, type Expr, type Grammar, text } from "./expr.ts";
import { gbnfExpr } from "./gbnf.ts";
import { GrammarError } from "./grammar-error.ts";
import { schemaExpr } from "./json-schema.ts";
import type { JsonRules } from "./json-text.ts";
import { regexMatching } from "./regex.ts";

/** What the text of an answer must be. */
export type AnswerForm =
  /** A JSON value that the schema allows, of draft 2020-12. */
  | { readonly type: "json_schema"; readonly schema: unknown }
  /** Any JSON object. */
  | { readonly type: "json_object" }
  /** What an ECMAScript regular expression matches as a whole. */
  | { readonly type: "regex"; readonly pattern: string }
  /** One of these texts. */
  | { readonly type: "choice"; readonly choices: readonly string[] }
  /** What llama.cpp's GBNF allows. */
  | { readonly type: "gbnf"; readonly grammar: string };

const MAX_CHOICES = 10_000;
const MAX_CHOICE_CHARACTERS = 256 * 1024;

/**
 * The form as part of a grammar.
 * @param json rules of JSON in this grammar, which are there once they are asked for
 * @throws GrammarError
 */
export function formExpr(form: AnswerForm, grammar: Grammar, json: () => JsonRules, budget: Budget): Expr {
  switch (form.type) {
    case "json_schema":
      return schemaExpr(form.schema, grammar, json(), budget);
    case "json_object":
      return json().object;
    case "gbnf":
      return gbnfExpr(form.grammar, grammar, budget);
    case "regex":
      return regexMatching(form.pattern, "", budget);
    case "choice":
      return choice(...validChoices(form.choices).map(text));
  }
}

function validChoices(choices: readonly string[]): readonly string[] {
  if (choices.length === 0 || choices.length > MAX_CHOICES) {
    throw new GrammarError("", `want 1 to ${MAX_CHOICES} choices, got ${choices.length}`);
  }
  const characters = choices.reduce((sum, option) => sum + option.length, 0);
  if (characters > MAX_CHOICE_CHARACTERS) {
    throw new GrammarError("", `the choices have ${characters} characters; the limit is ${MAX_CHOICE_CHARACTERS}`);
  }
  return choices;
}
