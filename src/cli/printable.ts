/**
 * Text of a document as a terminal may show it: control characters, and those that turn the direction of text or have no width, become
 * visible escapes (`\u{1b}`). Line breaks and tabs stay.
 */
export function printable(text: string): string {
  return text.replace(/[^\P{C}\n\t]/gu, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`)
}

/** On one line, and cut with `...` where it is longer than this many characters. */
export function printableLine(text: string, length: number): string {
  const line = printable(text.replace(/\s+/g, ' ').trim())
  return line.length <= length ? line : `${line.slice(0, Math.max(0, length - 4)).trimEnd()} ...`
}

/** Bytes as text; in hexadecimal where they are no UTF-8. `isCut`: they may end inside of a character, which is left out then. */
export function textOrHex(bytes: Uint8Array, { isCut = false }: { readonly isCut?: boolean } = {}): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: isCut })
  } catch {
    return `0x${Buffer.from(bytes).toString('hex')}`
  }
}
