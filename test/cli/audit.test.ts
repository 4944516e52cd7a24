import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { names } from '../../src/cli/documents.ts'
import { embeddedBroker } from '../../src/connectors/embedded/broker.ts'
import { noHeaders } from '../../src/record.ts'
import { changelogTopic } from '../../src/state/changelog.ts'
import { type DocumentFolder, documentFolder } from '../support/document-folder.ts'

const timeout = 60_000
const two = { 'docs/a.md': '# A\n\nAbout apples.\n', 'docs/b.md': '# B\n\nAbout bees.\n' }

/** What a run leaves that was killed before its first commit: points in the index, and these documents in the log. */
async function interrupted(folder: DocumentFolder, keys: readonly string[]): Promise<void> {
  await folder.index('docs')
  const directory = join(folder.path, 'data/log')
  await rm(directory, { recursive: true })
  const log = embeddedBroker({ directory })
  await log.open()
  const topics = [names.topic, changelogTopic(names.application, names.diff)]
  await log.createTopics(topics.map((topic) => ({ topic, partitions: 1 })))
  const producer = await log.producer()
  const record = { topic: names.topic, partition: 0, value: Buffer.from('{}'), timestamp: 0, headers: noHeaders }
  await producer.send(keys.map((key) => ({ ...record, key: Buffer.from(key) })))
  await producer.close()
  await log.close()
}

describe('an audit after a run that did not finish', { timeout }, () => {
  test('says only that, and calls the points of documents that are not committed yet in progress', async () => {
    await using folder = await documentFolder(two)
    await interrupted(folder, ['a.md', 'b.md'])

    const { stdout, code } = await folder.run('audit', '--data', 'data')

    expect(stdout.split('\n').slice(0, 1)).toEqual([
      '0 documents, 2 points: 0 missing, 0 orphan, 0 stale, 0 foreign, 2 in progress',
    ])
    expect(stdout).toMatch(/\ndata has 2 records that are not indexed yet\. Run `.+ index <source>` again\.\n$/)
    expect(stdout).not.toContain('--reindex')
    expect(code).toBe(1)
  })

  test('still counts the points of other documents as what they are', async () => {
    await using folder = await documentFolder(two)
    await interrupted(folder, ['a.md'])

    const { stdout } = await folder.run('audit', '--data', 'data', '--json')

    expect(JSON.parse(stdout)).toEqual({
      ...{ missing: 0, orphan: 0, stale: 0, foreign: 1 },
      ...{ inProgress: 1, documents: 0, points: 2, behind: 1 },
    })
  })
})

test('an audit writes its drift for Prometheus too, the whole file at once', { timeout }, async () => {
  await using folder = await documentFolder(two)
  await interrupted(folder, ['a.md'])

  await folder.run('audit', '--data', 'data', '--metrics-file', 'drift.prom')

  const lines = (await readFile(join(folder.path, 'drift.prom'), 'utf8')).trim().split('\n')
  expect(lines.slice(0, 2).map((line) => line.split(' ').slice(0, 3).join(' '))).toEqual([
    '# HELP millrace_index_drift_points',
    '# TYPE millrace_index_drift_points',
  ])
  const label = (kind: string) => `index="sqlite:data/index.db",kind="${kind}",application="index"`
  const drift = { missing: 0, orphan: 0, stale: 0, foreign: 1 }
  expect(lines.slice(2)).toEqual(
    Object.entries(drift).map(([kind, count]) => `millrace_index_drift_points{${label(kind)}} ${count}`),
  )
  expect(await readdir(folder.path)).not.toContain('drift.prom.new')
  expect(await folder.run('audit', '--data', 'data', '--metrics-file', 'nowhere/drift.prom')).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('1 foreign'),
    stderr: expect.stringMatching(/^STATE_IO: nowhere\/drift\.prom cannot be written/),
  })
})
