import * as z from "zod";

/** The body of every answer with a status of 400 or more, and the data of an `error` event in a stream. */
export const errorBody = z.object({
  error: z.object({
    message: z.string(),
    /** invalid_request_error or server_error. */
    type: z.string(),
    /** The field at fault, e.g. `messages[0].role`. */
    param: z.string().nullable(),
    code: z.string().nullable(),
  }),
});

export type ErrorBody = z.output<typeof errorBody>;
