import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { IndexSummary } from '../../src/cli/summary.ts'
import { sqliteIndex } from '../../src/connectors/embedded/sqlite-index.ts'
import { book500, changeStream } from '../support/change-stream.ts'
import { millrace, startMillrace } from '../support/command-line.ts'
import { type DumpedPoint, differences, faultsOf } from '../support/oracle.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const index = (data: string) => ['index', book500, '--data', data, '--model', 'hash', '--json']

async function exported(data: string): Promise<DumpedPoint[]> {
  const { stdout } = await millrace(['export', '--data', data])
  return stdout.split('\n').flatMap((line) => (line ? [JSON.parse(line) as DumpedPoint] : []))
}

/** How many points there are now, seen by another process; 0 while there is no index. */
async function pointsIn(data: string): Promise<number> {
  const reader = sqliteIndex({ path: join(data, 'index.db'), readOnly: true })
  try {
    await reader.open({ id: '', dimensions: undefined })
    let count = 0
    for await (const _ of reader.scan()) count++
    return count
  } catch {
    return 0
  } finally {
    await reader.close()
  }
}

test('an index run that is killed again and again ends right, and a wiped state folder costs nothing', async () => {
  await using folder = await temporaryDirectory()
  const data = join(folder.path, 'data')

  // given: three runs that kill -9 ended somewhere in the middle
  let kills = 0
  for (const points of [100, 400, 800]) {
    const running = startMillrace(index(data))
    const ended = running.result.then(() => true)
    while ((await pointsIn(data)) < points && !(await Promise.race([ended, pause(20, false)])));
    running.child.kill('SIGKILL')
    if ((await running.result).signal === 'SIGKILL') kills++
  }

  // when: one run comes to its end
  const last = await millrace(index(data))

  // then: the index equals the documents, and the audit agrees
  const points = await exported(data)
  expect(kills).toBeGreaterThan(0)
  expect(last.code, last.stderr).toBe(0)
  expect(faultsOf(changeStream(book500), points)).toEqual([])
  expect((await millrace(['audit', '--data', data])).code).toBe(0)

  // and when the local state is gone, the changelog restores it
  await rm(join(data, 'state'), { recursive: true })
  const restored = await millrace(index(data))
  const summary = JSON.parse(restored.stdout) as IndexSummary
  expect(summary.chunks).toEqual({ embedded: 0, reused: 0, deleted: 0, truncated: 0 })
  expect(differences(points, await exported(data))).toEqual([])
})
