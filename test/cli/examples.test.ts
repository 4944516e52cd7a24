import { describe, expect, test } from 'vitest'
import documents from '../../examples/documents.ts'
import silentSensors, { alerts, lastSeen, readings } from '../../examples/silent-sensors.ts'
import wordCount, { counts, lines } from '../../examples/word-count.ts'
import { TopologyTestDriver } from '../../src/testing.ts'
import { describeTopology } from '../../src/topology/describe.ts'
import { millrace } from '../support/command-line.ts'

describe('the examples', () => {
  test('documents.ts is one sub-topology from the topic to the collection', () => {
    const [part, ...others] = describeTopology(documents).subtopologies

    expect(others).toEqual([])
    expect(part?.nodes.map(({ does }) => does)).toEqual([
      'topic documents',
      'dedupe',
      'chunk',
      'diff',
      'embed',
      'qdrant:documents',
    ])
  })

  test('word-count.ts counts words across keys', async () => {
    await using driver = await TopologyTestDriver.start(wordCount)

    await driver.pipe(lines, { key: '1', value: 'to be or not' }, { key: '2', value: 'to be' })

    const latest = new Map((await driver.read(counts)).map(({ key, value }) => [key, value]))
    expect(Object.fromEntries(latest)).toEqual({ to: 2, be: 2, or: 1, not: 1 })
  })

  test('silent-sensors.ts tells once which sensor is silent, also after a crash', async () => {
    await using driver = await TopologyTestDriver.start(silentSensors)
    await driver.pipe(readings, { key: 'cellar', value: 11, timestamp: 0 })
    await driver.pipe(readings, { key: 'roof', value: 24, timestamp: 9 * 60_000 })

    await driver.crashAndRestart()
    await driver.pipe(readings, { key: 'roof', value: 25, timestamp: 10 * 60_000 })
    await driver.pipe(readings, { key: 'roof', value: 25, timestamp: 11 * 60_000 })

    expect((await driver.read(alerts)).map(({ key, value }) => [key, value])).toEqual([
      ['cellar', 'silent since 1970-01-01T00:00:00.000Z'],
    ])
    expect([...driver.store(lastSeen).scan()]).toEqual([['roof', 11 * 60_000]])
  })

  test('the command line describes an example that imports the package by its name', async () => {
    const { code, stdout } = await millrace(['describe', 'examples/documents.ts'])

    expect(code).toBe(0)
    expect(stdout).toContain('processor changes (diff) [by key] stores: changes')
  })
})
