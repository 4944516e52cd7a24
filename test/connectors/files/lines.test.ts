import fc from 'fast-check'
import { expect, test } from 'vitest'
import { splitLines } from '../../../src/connectors/files/lines.ts'

async function* pieces(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let start = 0
  for (let i = 0; start < bytes.length; i++) {
    const end = start + (sizes[i % sizes.length] ?? 1)
    yield bytes.subarray(start, end)
    start = end
  }
}

test('lines do not depend on how the bytes arrive', async () => {
  const bytes = fc
    .array(fc.constantFrom(0x0a, 0x0a, 0x61, 0x62, 0xff), { maxLength: 60 })
    .map((all) => Uint8Array.from(all))
  const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 })

  await fc.assert(
    fc.asyncProperty(bytes, sizes, fc.integer({ min: 1, max: 12 }), async (content, cuts, limit) => {
      const lines: { text: string; cut: boolean; ended: boolean }[] = []
      for await (const { bytes: line, cut, ended } of splitLines(pieces(content, cuts), limit))
        lines.push({ text: Buffer.from(line).toString('latin1'), cut, ended })

      const expected = Buffer.from(content).toString('latin1').split('\n')
      const last = expected.pop() ?? ''
      expect(lines).toEqual([
        ...expected.map((line) => ({ text: line.slice(0, limit), cut: line.length > limit, ended: true })),
        ...(last === '' ? [] : [{ text: last.slice(0, limit), cut: last.length > limit, ended: false }]),
      ])
    }),
  )
})
