const maxWords = 3
const maxCharacters = 48

/**
 * A number in [0, 1) that depends on the first words at `start` and on nothing else: an edit behind them, or of marks around them,
 * leaves it as it is. FNV-1a over letters and digits, with the last mixing steps of MurmurHash3.
 */
export function hashOfLeadingWords(text: string, start: number, end: number): number {
  let hash = 0x811c9dc5
  let words = 0
  let insideWord = false
  let characters = 0
  for (let i = start; i < end && characters < maxCharacters; i++) {
    const code = text.charCodeAt(i)
    if (isWordCode(code)) {
      if (!insideWord) words++
      if (words > maxWords) break
      insideWord = true
      characters++
      hash = Math.imul(hash ^ lowerCase(code), 0x01000193)
    } else if (insideWord) {
      insideWord = false
      hash = Math.imul(hash ^ 32, 0x01000193)
    }
  }
  return mixed(hash) / 0x1_0000_0000
}

/** ASCII letters and digits, and everything beyond ASCII. */
function isWordCode(code: number): boolean {
  return code >= 0x80 || (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || (code >= 48 && code <= 57)
}

function lowerCase(code: number): number {
  return code >= 65 && code <= 90 ? code + 32 : code
}

function mixed(hash: number): number {
  let mix = hash ^ (hash >>> 16)
  mix = Math.imul(mix, 0x85ebca6b)
  mix ^= mix >>> 13
  mix = Math.imul(mix, 0xc2b2ae35)
  return (mix ^ (mix >>> 16)) >>> 0
}
