import fc from 'fast-check'
import { expect, it } from 'vitest'
import { writeVector } from '../../../src/connectors/qdrant/operations.ts'

it('a written vector is read back value for value', () => {
  const finite = fc.float32Array({ noNaN: true, noDefaultInfinity: true, maxLength: 50 })

  fc.assert(
    fc.property(finite, (vector) => {
      const back = Float32Array.from(JSON.parse(writeVector(vector)))

      // As in all JSON of JavaScript, the sign of a zero is lost.
      expect([...back]).toEqual([...vector.map((value) => value || 0)])
    }),
  )
})
