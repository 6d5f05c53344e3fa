import DOMPurify from "dompurify";

/** What `to-html.ts` writes, and no more. */
const ALLOWED_TAGS = (
  "a b blockquote br button code del div em h1 h2 h3 h4 h5 h6 hr i kbd li mark ol p pre s span strong sub sup " +
  "table tbody td th thead tr u ul"
).split(" ");

/** Markup that can neither run a script, nor load anything, nor lead elsewhere than to a web or mail address. */
export function sanitised(html: string): string {
  const clean = DOMPurify.sanitize(html, {
    ALLOWED_TAGS,
    ALLOWED_ATTR: ["align", "class", "href", "rel", "start", "tabindex", "target", "type"],
    ALLOWED_URI_REGEXP: /^(?:https?:\/\/|mailto:)/i,
    ADD_URI_SAFE_ATTR: ["align", "rel", "start", "tabindex", "target", "type"],
    ALLOW_ARIA_ATTR: false,
    ALLOW_DATA_ATTR: false,
    RETURN_TRUSTED_TYPE: true,
  });
  // A TrustedHTML where browsers have it; Preact hands it to innerHTML as it is.
  return clean as unknown as string;
}
