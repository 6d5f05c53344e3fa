/** Where in a JSON text its reader stands, one character after the other; the text need not be right. */
export class JsonPlace {
  /** Objects and arrays that are open. */
  depth = 0;
  inString = false;
  /** Inside a string that JSON does not allow: it holds a bare control character. */
  broken = false;
  private escaped = false;

  read(text: string): void {
    for (let i = 0; i < text.length; i++) this.step(text[i]!);
  }

  step(character: string): void {
    if (this.inString) {
      if (character < " ") this.broken = true;
      if (this.escaped) this.escaped = false;
      else if (character === "\\") this.escaped = true;
      else if (character === '"') {
        this.inString = false;
        this.broken = false;
      }
    } else if (character === '"') this.inString = true;
    else if (character === "{" || character === "[") this.depth++;
    else if (character === "}" || character === "]") this.depth--;
  }
}
