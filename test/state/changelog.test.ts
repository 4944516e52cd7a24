import { describe, expect, test } from 'vitest'
import { changelogRecord, changelogTopic, changeOf } from '../../src/state/changelog.ts'

const key = Buffer.from('key')
const value = Buffer.from('value')
const place = { topic: 'search-manifests-changelog', partition: 0, offset: 3 }

describe('a changelog', () => {
  test('is named after the application and the store', () => {
    expect(changelogTopic('search', 'chunk-manifests')).toBe('search-chunk-manifests-changelog')
  })

  test('holds the plain key and value, and where its generation stood in the source', () => {
    const record = changelogRecord({ store: 'manifests', key, value }, Buffer.from('documents-0:17'))

    expect(record).toEqual({
      key,
      value,
      headers: [{ key: 'millrace.source', value: Buffer.from('documents-0:17') }],
    })
  })

  test.each([
    ['a value', value],
    ['a deletion', null],
  ])('gives back %s', (_, written) => {
    const record = changelogRecord({ store: 'manifests', key, value: written }, new Uint8Array(0))

    expect(changeOf({ ...record, timestamp: 7 }, place)).toEqual({ key, value: written, timestamp: 7 })
  })

  test('is corrupt where a record has no key, and the error says where', () => {
    const decode = () => changeOf({ key: null, value, timestamp: 7 }, place)

    expect(decode).toThrow(
      expect.objectContaining({
        code: 'CHANGELOG_CORRUPT',
        fact: 'the record at search-manifests-changelog-0 offset 3 has no key',
        details: place,
      }),
    )
  })
})
