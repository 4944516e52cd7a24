import { expect, test } from 'vitest'
import { newClusterId } from './kafka-distribution.ts'

test('the id of a new cluster is never taken for an option', () => {
  const ids = Array.from({ length: 256 }, (_, first) => newClusterId((size) => Buffer.alloc(size, first)))

  expect(ids.filter((id) => !/^[A-Za-z][A-Za-z0-9_-]{21}$/.test(id))).toEqual([])
})
