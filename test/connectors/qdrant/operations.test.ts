import fc from 'fast-check'
import { expect, it } from 'vitest'
import { writeVector } from '../../../src/connectors/qdrant/operations.ts'

it('a written vector is read back bit for bit', () => {
  const finite = fc.float32Array({ noNaN: true, noDefaultInfinity: true, maxLength: 50 })

  fc.assert(
    fc.property(finite, (vector) => {
      const back = Float32Array.from(JSON.parse(writeVector(vector)))

      expect(new Uint8Array(back.buffer)).toEqual(new Uint8Array(vector.buffer))
    }),
  )
})
