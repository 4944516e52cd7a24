import { expect, test } from 'vitest'
import { sqliteIndex } from '../../src/connectors/embedded/sqlite-index.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { embed } from '../../src/embed/embed.ts'
import { hash } from '../../src/embed/hash.ts'
import { chunk, diff, filter } from '../../src/operators/index.ts'
import type { StreamRuntimeOptions } from '../../src/runtime/stream-runtime.ts'
import { string } from '../../src/serde.ts'
import { TopologyTestDriver, type TopologyTestDriverOptions } from '../../src/testing.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const documents = kafka({ topic: 'documents', key: string, value: string })

/** The first commit has written the index, and never writes anything else: it ends when its runtime does. */
function commitsThatCrash() {
  const killed = Promise.withResolvers<void>()
  let isOver = false
  const failpoint = async (): Promise<void> => {
    if (isOver) return
    await killed.promise
    throw new Error('crashed')
  }
  const options: TopologyTestDriverOptions & Pick<StreamRuntimeOptions, 'failpoint'> = { commit: 'manual', failpoint }
  const crash = async (driver: TopologyTestDriver): Promise<void> => {
    const crashing = driver.crash()
    killed.resolve()
    await crashing
    isOver = true
  }
  return { options, crash }
}

test('after a crash between the index and the commit a filter behind a cached table takes its document out of the index', async () => {
  await using folder = await temporaryDirectory()
  const index = sqliteIndex({ path: `${folder.path}/index.sqlite` })
  const builder = new TopologyBuilder()
  builder
    .table('docs', documents, { caching: true })
    .process(filter('public', (text) => text !== 'secret'))
    .toStream()
    .process(chunk('chunks', { text: (text) => text }))
    .process(diff('changes', { against: index }))
    .process(embed('vectors', hash({ dimensions: 8 })))
    .to('index', index)
  const points = async () => (await Array.fromAsync(index.scan())).map(({ payload }) => payload.content)
  const { options, crash } = commitsThatCrash()
  await using driver = await TopologyTestDriver.start(builder.build(), options)
  await driver.pipe(documents, { key: 'a', value: 'hello' })
  const committing = driver.commit().catch(() => undefined)
  await expect.poll(points).toEqual(['hello'])

  await Promise.all([crash(driver), committing])
  await driver.pipe(documents, { key: 'a', value: 'secret' })
  await driver.restart()
  await driver.commit()

  // For the table the row has never been anything but secret.
  expect(await points()).toEqual([])
})
