import * as z from "zod";
import { list, optional } from "./fields.ts";

/** What an answer must be; the grammar module's forms. */
export type AnswerForm =
  | { readonly type: "json_schema"; readonly schema: Readonly<Record<string, unknown>> }
  | { readonly type: "json_object" }
  | { readonly type: "regex"; readonly pattern: string }
  | { readonly type: "choice"; readonly choices: readonly string[] }
  | { readonly type: "gbnf"; readonly grammar: string };

/** A form, and the parameter that asks for it. */
export interface WantedForm {
  readonly form: AnswerForm;
  readonly param: string;
}

const MAX_CHOICES = 10_000;

export const schemaField = z.record(z.string(), z.unknown());

const schemaName = z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/);

/** `response_format`; llama.cpp's `schema` beside json_object is taken too. */
export const responseFormat = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("text") }),
  z.strictObject({ type: z.literal("json_object"), schema: optional(schemaField) }),
  z.strictObject({
    type: z.literal("json_schema"),
    json_schema: z.strictObject({
      name: schemaName,
      description: optional(z.string()),
      schema: optional(schemaField),
      strict: optional(z.boolean()),
    }),
  }),
]);

/** `text.format` of the Responses API: the same, flat. */
export const textFormat = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("text") }),
  z.strictObject({ type: z.literal("json_object") }),
  z.strictObject({
    type: z.literal("json_schema"),
    name: schemaName,
    description: optional(z.string()),
    schema: schemaField,
    strict: optional(z.boolean()),
  }),
]);

/** `output_config.format` of Anthropic's API. */
export const outputFormat = z.strictObject({ type: z.literal("json_schema"), schema: schemaField });

/** Forms as users of llama.cpp (`grammar`) and vLLM know them. */
export const formFields = {
  grammar: optional(z.string().min(1)),
  guided_json: optional(schemaField),
  guided_regex: optional(z.string()),
  guided_choice: optional(list(z.string(), { min: 1, max: MAX_CHOICES })),
};

const formFieldsRequest = z.object({ ...formFields, response_format: optional(responseFormat) });
type FormFields = Partial<z.output<typeof formFieldsRequest>>;

/** What a request's fields say the answer must be; null: any text. */
export function wantedForm(body: FormFields): WantedForm | null {
  return wantedForms(body)[0] ?? null;
}

/** @returns the form of `text.format`, or null for text */
export function formOfTextFormat(format: z.output<typeof textFormat> | undefined): WantedForm | null {
  if (format === undefined || format.type === "text") return null;
  if (format.type === "json_object") return { form: { type: "json_object" }, param: "text.format" };
  return jsonForm(format.schema, "text.format");
}

/** @returns the form of `output_config.format` */
export function formOfOutputFormat(format: z.output<typeof outputFormat> | undefined): WantedForm | null {
  return format === undefined ? null : jsonForm(format.schema, "output_config.format");
}

/** One form at a time. */
export function checkForms(body: FormFields, context: z.RefinementCtx): void {
  const [first, second] = wantedForms(body);
  if (first === undefined || second === undefined) return;
  const [one, other] = [nameOf(first), nameOf(second)];
  context.addIssue({ code: "custom", path: [other], message: `cannot be combined with ${one}: send one of them` });
}

function wantedForms({ grammar, guided_choice, guided_json, guided_regex, response_format }: FormFields): WantedForm[] {
  const forms: WantedForm[] = [];
  if (response_format?.type === "json_schema") {
    forms.push(jsonForm(response_format.json_schema.schema, "response_format.json_schema"));
  } else if (response_format?.type === "json_object") {
    forms.push(jsonForm(response_format.schema, "response_format"));
  }
  if (grammar !== undefined) forms.push({ form: { type: "gbnf", grammar }, param: "grammar" });
  if (guided_json !== undefined)
    forms.push({ form: { type: "json_schema", schema: guided_json }, param: "guided_json" });
  if (guided_regex !== undefined) forms.push({ form: { type: "regex", pattern: guided_regex }, param: "guided_regex" });
  if (guided_choice !== undefined)
    forms.push({ form: { type: "choice", choices: guided_choice }, param: "guided_choice" });
  return forms;
}

/** Without a schema any object will do. */
function jsonForm(schema: Readonly<Record<string, unknown>> | undefined, param: string): WantedForm {
  if (schema === undefined) return { form: { type: "json_object" }, param };
  return { form: { type: "json_schema", schema }, param: `${param}.schema` };
}

function nameOf({ param }: WantedForm): string {
  return param.split(".")[0]!;
}
