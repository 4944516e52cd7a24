import { expect, test } from 'vitest'
import { pool } from '../../src/embed/pooling.ts'

test.each(['mean', 'cls', 'last'] as const)(
  'with %s, a row without a token has no numbers, and none of its neighbours',
  (pooling) => {
    const hidden = Float32Array.of(3, 4, 3, 4, 8, 6, 8, 6)

    const vectors = pool(hidden, Int32Array.of(2, 0), {
      pooling,
      normalize: true,
      width: 2,
      modelDimensions: 2,
      dimensions: 2,
    })

    expect([...vectors].map((value) => Number(value.toFixed(6)))).toEqual([0.6, 0.8, Number.NaN, Number.NaN])
  },
)
