import { expect, test } from 'vitest'
import { sqliteIndex } from '../../../src/connectors/embedded/sqlite-index.ts'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { embed } from '../../../src/embed/embed.ts'
import { hash } from '../../../src/embed/hash.ts'
import { chunk, diff, filter, joinTable, leftJoinTable } from '../../../src/operators/index.ts'
import { string } from '../../../src/serde.ts'
import { TopologyTestDriver } from '../../../src/testing.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import type { Table } from '../../../src/topology/stream.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const documents = kafka({ topic: 'documents', key: string, value: string })
const authors = kafka({ topic: 'authors', key: string, value: string })

type Rows = Table<string, string>
type Derive = (documents: Rows, authors: Rows) => Rows

const signed = (text: string, author: string | null) => `${text} by ${author}`
const steps: readonly (readonly [string, Derive])[] = [
  [
    'filter',
    (rows, others) => rows.process(filter('shown', () => true)).process(leftJoinTable('signed', others, signed)),
  ],
  ['joinTable', (rows, others) => rows.process(joinTable('signed', others, signed))],
  ['leftJoinTable', (rows, others) => rows.process(leftJoinTable('signed', others, signed))],
]

/** A log of its own, which has forgotten what another one had, and tables that never knew. */
async function started(path: string, derive: Derive) {
  const index = sqliteIndex({ path })
  const builder = new TopologyBuilder()
  derive(builder.table('documents', documents), builder.table('authors', authors))
    .toStream()
    .process(chunk('chunks', { text: (text) => text }))
    .process(diff('changes', { against: index }))
    .process(embed('vectors', hash({ dimensions: 8 })))
    .to('index', index)
  const driver = await TopologyTestDriver.start(builder.build())
  const points = async () => (await Array.fromAsync(index.scan())).map(({ payload }) => payload.content)
  return { driver, points }
}

test.each(steps)(
  'while it recovers, %s lets the deletion of a row through that its table has lost',
  async (_, derive) => {
    await using folder = await temporaryDirectory()
    const path = `${folder.path}/index.sqlite`
    {
      const { driver, points } = await started(path, derive)
      await using _first = driver
      await driver.pipe(authors, { key: 'a', value: 'Ann' })
      await driver.pipe(documents, { key: 'a', value: 'hello' })
      expect(await points()).toEqual(['hello by Ann'])
    }
    const { driver, points } = await started(path, derive)
    await using _second = driver

    await driver.crash()
    await driver.pipe(documents, { key: 'a', value: null })
    await driver.restart()

    expect(await points()).toEqual([])
  },
)
