/** A line of a file, without its line feed. */
export interface Line {
  readonly bytes: Uint8Array
  /** The line is longer than allowed; `bytes` is its beginning. */
  readonly cut: boolean
  /** False for a last line without a line feed: it may still be written. */
  readonly ended: boolean
}

const lineFeed = 0x0a

/** Splits bytes into lines. Of a line that is longer than `maxLineBytes` only the beginning is kept in memory. */
export async function* splitLines(chunks: AsyncIterable<Uint8Array>, maxLineBytes: number): AsyncGenerator<Line> {
  let parts: Uint8Array[] = []
  let kept = 0
  let length = 0
  const keep = (part: Uint8Array) => {
    length += part.byteLength
    const fitting = part.subarray(0, maxLineBytes - kept)
    kept += fitting.byteLength
    if (fitting.byteLength > 0) parts.push(fitting)
  }
  const finish = (ended: boolean): Line => {
    const line = { bytes: Buffer.concat(parts), cut: length > kept, ended }
    parts = []
    kept = 0
    length = 0
    return line
  }
  for await (const chunk of chunks) {
    let start = 0
    for (let end = chunk.indexOf(lineFeed); end !== -1; end = chunk.indexOf(lineFeed, start)) {
      keep(chunk.subarray(start, end))
      yield finish(true)
      start = end + 1
    }
    keep(chunk.subarray(start))
  }
  if (length > 0) yield finish(false)
}
