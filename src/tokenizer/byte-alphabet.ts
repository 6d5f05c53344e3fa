/**
 * The 256 characters in which byte-level BPE vocabularies spell bytes: printable Latin-1 characters stand for
 * themselves, the others (controls, space, 0x7F-0xA0, 0xAD) for U+0100 onwards, in order.
 * Source: openai/gpt-2 src/encoder.py, bytes_to_unicode; used by every tokenizer.json with a ByteLevel decoder.
 */
function isPrintable(byte: number): boolean {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad);
}

function buildCodes(): Uint16Array {
  const codes = new Uint16Array(256);
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) codes[byte] = isPrintable(byte) ? byte : next++;
  return codes;
}

function buildBytes(): Int16Array {
  const bytes = new Int16Array(0x144).fill(-1);
  CODE_OF_BYTE.forEach((code, byte) => {
    bytes[code] = byte;
  });
  return bytes;
}

/** The character code that spells a byte. */
export const CODE_OF_BYTE: Uint16Array = buildCodes();

const BYTE_OF_CODE: Int16Array = buildBytes();

/** Bytes as a string of the alphabet. */
export function spell(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(CODE_OF_BYTE[byte]!);
  return text;
}

/** The bytes that a token spells, or null where a character is not of the alphabet. */
export function unspell(token: string): Uint8Array | null {
  const bytes = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i++) {
    const byte = BYTE_OF_CODE[token.charCodeAt(i)] ?? -1;
    if (byte < 0) return null;
    bytes[i] = byte;
  }
  return bytes;
}
