import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, expect, test } from 'vitest'
import { embeddedBroker } from '../../src/connectors/embedded/broker.ts'
import type { Broker } from '../../src/runtime/broker.ts'
import { contents, readAll } from '../support/log-records.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const writer = join(import.meta.dirname, '../support/log-writer.ts')

/** Lets a writer write until it has acknowledged so much, kills it in the middle of what it is doing, and returns all its lines. */
async function killWriter(directory: string, round: number, lines: number): Promise<string[]> {
  const child = spawn(process.execPath, [writer, directory, `${round}`], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exit = once(child, 'exit')
  const said: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    said.push(line)
    if (said.length === lines) child.kill('SIGKILL')
  }
  await exit
  return said
}

/** `<partition> <offset> <value>` of every record, as the writer prints it. */
async function linesOf(broker: Broker): Promise<string[]> {
  const lines: string[] = []
  for (const partition of [0, 1, 2]) {
    const records = contents(await readAll(broker, { topic: 'records', partition }))
    lines.push(...records.map(([offset, , value]) => `${partition} ${offset} ${value}`))
  }
  return lines
}

describe('kill -9 in the middle of sends', () => {
  test('loses nothing that was acknowledged, gives no offset twice, and keeps transactions whole', async () => {
    await using folder = await temporaryDirectory()
    const acknowledged: string[] = []
    let committed = 0

    for (let round = 0; round < 6; round++) {
      const said = await killWriter(folder.path, round, 1_000 + round * 777)
      const counts = said.filter((line) => line.startsWith('committed')).map((line) => Number(line.split(' ')[1]))
      committed = Math.max(committed, ...counts)
      acknowledged.push(...said.filter((line) => !line.startsWith('committed')))

      await using broker = embeddedBroker({ directory: folder.path })
      await broker.open()
      const found = await linesOf(broker)
      const [first, second] = await Promise.all(
        [0, 1].map(async (partition) => contents(await readAll(broker, { topic: 'pairs', partition }))),
      )
      const [offset] = await broker.committed('readers', [{ topic: 'pairs', partition: 0 }])

      const offsets = found.map((line) => line.split(' ', 2).join(' '))
      expect(new Set(found)).toSatisfy((all: Set<string>) => acknowledged.every((line) => all.has(line)))
      expect(new Set(offsets).size).toBe(offsets.length)
      expect(second).toEqual(first)
      expect(first?.map(([, , value]) => value)).toEqual(
        Array.from({ length: first?.length ?? 0 }, (_, at) => `${at + 1}`),
      )
      expect(offset?.offset).toBe(first?.length)
      expect(offset?.offset).toBeGreaterThanOrEqual(committed)
    }
  })
})
