import { describe, expect, test } from 'vitest'
import { sqliteIndex } from '../../src/connectors/embedded/sqlite-index.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { cached } from '../../src/embed/cache/cached.ts'
import { embed } from '../../src/embed/embed.ts'
import type { Embedder } from '../../src/embed/embedder.ts'
import { hash } from '../../src/embed/hash.ts'
import { StreamError } from '../../src/errors.ts'
import type { MetricLevel } from '../../src/metrics.ts'
import { chunk } from '../../src/operators/chunk.ts'
import { dedupe } from '../../src/operators/dedupe.ts'
import { diff } from '../../src/operators/diff.ts'
import { reduce } from '../../src/operators/index.ts'
import type { StreamRuntime } from '../../src/runtime/stream-runtime.ts'
import { string } from '../../src/serde.ts'
import { RuntimeMetrics } from '../../src/serve/runtime-metrics.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import type { TaskId } from '../../src/topology/processor.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { pass, plainTopologyTo, runningIn, topologyTo, until } from '../support/instance.ts'
import { RecordingSink } from '../support/recording-sink.ts'
import { ScriptedGroup } from '../support/scripted-group.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

function documentTopology(path: string, embedder: Embedder = hash({ dimensions: 8 })): Topology {
  const index = sqliteIndex({ path })
  const builder = new TopologyBuilder()
  builder
    .stream('in', kafka({ topic: 'in', key: string, value: string }))
    .process(dedupe('unchanged'))
    .process(chunk('chunks', { text: (text) => text }))
    .process(diff('changes', { against: index }))
    .process(embed('vectors', embedder))
    .to('index', index)
  return builder.build()
}

interface Watched {
  readonly group: ScriptedGroup
  readonly instance: StreamRuntime
  readonly metrics: RuntimeMetrics
}

/** Lets an instance work, and gives its series by name and labels. */
async function watched(
  topology: Topology,
  work: (watched: Watched) => Promise<void>,
  level: MetricLevel = 'info',
): Promise<(series: string) => number | undefined> {
  const metrics = new RuntimeMetrics({ topology, application: 'app', level })
  await using group = await ScriptedGroup.open()
  await using instance = await runningIn(group, { topology, observer: metrics })
  await work({ group, instance, metrics })
  const lines = (await metrics.text(instance.view)).split('\n')
  metrics.close()
  await instance.kill()
  return (series) => {
    const wanted = partsOf(`millrace_${series}`)
    const line = lines.find((candidate) => partsOf(candidate.slice(0, candidate.lastIndexOf(' '))) === wanted)
    return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(' ')))
  }
}

/** Labels in any order. */
function partsOf(series: string): string {
  return series.split(/[{},]/).sort().join()
}

const app = 'application="app"'

const short = `# A\n\n${'This stays as it is. '.repeat(100)}`
const long = `\n\n# B\n\n${'This comes later. '.repeat(100)}`

describe('the metrics of an instance', () => {
  test('tell what became of documents and chunks', async () => {
    await using folder = await temporaryDirectory()
    const topology = documentTopology(`${folder.path}/index.sqlite`)

    const value = await watched(topology, async ({ group }) => {
      for (const [at, value] of [short, short, `${short}${long}`, null].entries()) {
        await group.write(0, { key: 'a', value, timestamp: group.clock.now() })
        await until(group.clock, () => group.committed()?.offset === at + 1)
      }
    })

    const outcomes = ['new', 'duplicate', 'changed', 'deleted', 'unchanged', 'metadata_only']
    expect(outcomes.map((outcome) => value(`documents_total{outcome="${outcome}",${app}}`))).toEqual([1, 1, 1, 1, 0, 0])
    const [added = 0, reused = 0, deleted = 0] = ['added', 'reused', 'deleted'].map((outcome) =>
      value(`chunks_total{outcome="${outcome}",${app}}`),
    )
    expect(reused).toBeGreaterThan(0)
    expect(deleted).toBe(added)
    expect(value(`embeddings_saved_total{cause="diff",${app}}`)).toBe(reused)
    expect(value(`embed_texts_total{node="vectors",${app}}`)).toBe(added)
    expect(value(`records_processed_total{task="0_0",${app}}`)).toBe(4)
    expect(value(`process_duration_seconds_count{${app}}`)).toBe(4)
    expect(value(`changelog_produce_total{store="changes",${app}}`)).toBe(3)
    expect(value(`group_member{${app}}`)).toBe(1)
  })

  test('count dead letters and dropped records from zero on', async () => {
    const sink = new RecordingSink({
      write: async () => {
        throw new StreamError('INDEX_REJECTED', 'the script says so')
      },
    })
    const topology = plainTopologyTo(sink)
    const nothing = await watched(topology, async () => undefined)

    const value = await watched(topology, async ({ group }) => {
      await group.write(0, 'poison')
      await until(group.clock, () => group.committed()?.offset === 1)
    })

    const deadLetters = `dead_letters_total{node="out",code="INDEX_REJECTED",${app}}`
    expect([nothing(deadLetters), value(deadLetters)]).toEqual([0, 1])
    expect(value(`records_dropped_total{task="0_0",reason="null_key",${app}}`)).toBe(0)
    expect(value(`commits_total{result="ok",${app}}`)).toBe(1)
  })

  test.each([
    ['what a model runs on and how long is waited for it', 'cuda', 'cuda'],
    ['that an embedder has no device here', undefined, 'none'],
  ])('tell %s', async (_what, device, label) => {
    await using folder = await temporaryDirectory()
    const working = hash({ dimensions: 8 })
    const stats = { get: () => ({ ...working.stats, oldestWaitMs: 1_500, waitingTexts: 7, ...(device && { device }) }) }
    // A cache shows what is behind it.
    const embedder: Embedder = cached(Object.defineProperties({ ...working }, { stats }))

    const value = await watched(documentTopology(`${folder.path}/index.sqlite`, embedder), async ({ group }) => {
      await group.write(0, { key: 'a', value: short, timestamp: group.clock.now() })
      await until(group.clock, () => group.committed()?.offset === 1)
    })

    expect(value(`model_info{node="vectors",model="hash:1:8",device="${label}",${app}}`)).toBe(1)
    expect(value(`embed_queue_oldest_seconds{node="vectors",${app}}`)).toBe(1.5)
    expect(value(`embed_queue_texts{node="vectors",${app}}`)).toBe(7)
  })

  test('count documents that wait for vectors, and those whose embedding is tried again', async () => {
    await using folder = await temporaryDirectory()
    const working = hash({ dimensions: 8 })
    let failures = 2
    const failing: Embedder = Object.create(working, {
      embed: {
        value: (...parameters: Parameters<Embedder['embed']>) =>
          failures-- > 0 ? Promise.reject(new StreamError('EMBED_FAILED', 'no device')) : working.embed(...parameters),
      },
    })
    const topology = documentTopology(`${folder.path}/index.sqlite`, failing)

    const value = await watched(topology, async ({ group }) => {
      await group.write(0, 'text')
      await until(group.clock, () => group.committed()?.offset === 1)
    })

    expect(value(`record_retries_total{node="vectors",code="EMBED_FAILED",${app}}`)).toBe(2)
    expect(value(`embed_waiting_documents{node="vectors",${app}}`)).toBe(0)
    expect(value(`embed_duration_seconds_count{node="vectors",${app}}`)).toBe(3)
  })

  test('count a batch once, with how full it was, whatever number of documents were in it', async () => {
    await using folder = await temporaryDirectory()
    const working = hash({ dimensions: 8 })
    const batch = {
      startedAt: 1_000,
      endedAt: 1_400,
      counts: { texts: 12, tokens: 300 },
      reason: 'timeout',
      waitedMs: 20,
    }
    const failed = { ...batch, reason: 'refused', waitedMs: 0, error: new Error('the device is gone') }
    const tokenized = { step: 'tokenize', startedAt: 1_000, endedAt: 1_000.5, counts: { texts: 12, tokens: 300 } }
    const batching: Embedder = Object.create(working, {
      embed: {
        value: (...[texts, signal, options]: Parameters<Embedder['embed']>) => {
          options?.onTokenized?.(tokenized)
          for (const work of [failed, batch]) options?.onBatch?.(work)
          return working.embed(texts, signal, options)
        },
      },
    })
    const topology = documentTopology(`${folder.path}/index.sqlite`, batching)

    const value = await watched(topology, async ({ group }) => {
      await group.write(0, { key: 'a', value: 'one' }, { key: 'b', value: 'two' })
      await until(group.clock, () => group.committed()?.offset === 2)
    })

    const names = ['tokenize_duration_seconds', 'batch_texts', 'batch_tokens', 'batch_duration_seconds']
    const sums = names.map((name) => [
      value(`${name}_count{node="vectors",${app}}`),
      value(`${name}_sum{node="vectors",${app}}`),
    ])
    expect(sums).toEqual([
      [1, 0.0005],
      [1, 12],
      [1, 300],
      [1, 0.4],
    ])
    expect(value(`batches_failed_total{node="vectors",${app}}`)).toBe(1)
    const closed = ['idle_device', 'timeout', 'refused'].map((reason) =>
      value(`batches_closed_total{node="vectors",reason="${reason}",${app}}`),
    )
    expect(closed).toEqual([0, 1, 1])
    expect(value(`batch_wait_seconds_sum{node="vectors",${app}}`)).toBe(0.02)
  })

  test('tell how late late records are, and nothing of those in order', async () => {
    const value = await watched(plainTopologyTo(new RecordingSink()), async ({ group }) => {
      const timestamps = [5_000, 9_000, 9_000, 2_000]
      await group.write(0, ...timestamps.map((timestamp, at) => ({ key: `${at}`, value: 'text', timestamp })))
      await until(group.clock, () => group.committed()?.offset === timestamps.length)
    })

    expect(value(`record_lateness_seconds_count{${app}}`)).toBe(1)
    expect(value(`record_lateness_seconds_sum{${app}}`)).toBe(7)
  })

  test('show how old the oldest uncommitted record is, not the generation that it fell into', async () => {
    const writing = Promise.withResolvers<void>()
    const topology = plainTopologyTo(new RecordingSink({ write: () => writing.promise }))

    const value = await watched(topology, async ({ group }) => {
      await pass(group.clock, 60_000, 1_000)
      await group.write(0, 'waits')
      await pass(group.clock, 3_000)
    })

    expect(value(`uncommitted_age_seconds{task="0_0",${app}}`)).toBe(3)
    expect(value(`in_flight_records{task="0_0",${app}}`)).toBe(1)
  })

  test('have the lag of the commits in records, and in time since the log ended there', async () => {
    const writing = Promise.withResolvers<void>()
    const topology = plainTopologyTo(new RecordingSink({ write: () => writing.promise }))

    const value = await watched(topology, async ({ group }) => {
      await pass(group.clock, 20_000, 1_000)
      await group.write(0, 'one', 'two')
      await pass(group.clock, 30_000, 1_000)
    })

    const place = `{topic="in",partition="0",task="0_0",${app}}`
    expect(value(`consumer_lag_records${place}`)).toBe(2)
    expect(value(`consumer_lag_seconds${place}`)).toBeGreaterThanOrEqual(30)
    expect(value(`consumer_lag_seconds${place}`)).toBeLessThanOrEqual(40)
  })

  test('say of each task which state it is in, and of the index how new its newest version is', async () => {
    await using folder = await temporaryDirectory()
    const topology = documentTopology(`${folder.path}/index.sqlite`)

    const value = await watched(topology, async ({ group }) => {
      for (const [at, timestamp] of [7_000, 5_000].entries()) {
        await group.write(0, { key: `${at}`, value: short, timestamp })
        await until(group.clock, () => group.committed()?.offset === at + 1)
      }
    })

    expect(value(`task_state{task="0_0",state="running",${app}}`)).toBe(1)
    expect(value(`task_state{task="0_0",state="restoring",${app}}`)).toBeUndefined()
    expect(value(`newest_change_timestamp_seconds{index="sqlite:${folder.path}/index.sqlite",${app}}`)).toBe(7)
  })

  test('tell where stores find what they are asked for, and what they hold', async () => {
    await using folder = await temporaryDirectory()
    const value = await watched(documentTopology(`${folder.path}/index.sqlite`), async ({ group }) => {
      for (const [at, text] of [short, short, short].entries()) {
        await group.write(0, { key: 'a', value: text, timestamp: 1 })
        await until(group.clock, () => group.committed()?.offset === at + 1)
      }
    })

    const reads = ['overlay', 'cache', 'bytes'].map((from) =>
      value(`store_reads_total{store="unchanged",from="${from}",${app}}`),
    )
    expect(reads).toEqual([0, 2, 1])
    expect(value(`store_held_bytes{store="unchanged",${app}}`)).toBe(0)
    // Its stores are in memory.
    expect(value(`store_size_bytes{store="unchanged",${app}}`)).toBeUndefined()
  })

  test('have no lag once everything is committed', async () => {
    const value = await watched(plainTopologyTo(new RecordingSink()), async ({ group }) => {
      await group.write(0, 'one', 'two')
      await pass(group.clock, 20_000, 1_000)
    })

    const place = `{topic="in",partition="0",task="0_0",${app}}`
    expect([value(`consumer_lag_records${place}`), value(`consumer_lag_seconds${place}`)]).toEqual([0, 0])
  })

  test('count records in and out of nodes at level debug alone', async () => {
    const topology = plainTopologyTo(new RecordingSink())
    const series = `node_records_total{node="unchanged",direction="in",${app}}`
    await using folder = await temporaryDirectory()
    const documents = documentTopology(`${folder.path}/index.sqlite`)
    const work = async ({ group }: Watched) => {
      await group.write(0, 'text')
      await until(group.clock, () => group.committed()?.offset === 1)
    }

    const info = await watched(topology, work)
    const debug = await watched(documents, work, 'debug')

    expect([info(series), debug(series)]).toEqual([undefined, 1])
  })

  test('tell how long operations of stores took at level debug alone', async () => {
    await using folder = await temporaryDirectory()
    const work = async ({ group }: Watched) => {
      await group.write(0, { key: 'a', value: short }, { key: 'b', value: short })
      await until(group.clock, () => group.committed()?.offset === 2)
    }
    const counts = async (level: MetricLevel) => {
      const value = await watched(documentTopology(`${folder.path}/${level}.sqlite`), work, level)
      return ['get', 'put'].map((op) => value(`store_op_duration_seconds_count{store="unchanged",op="${op}",${app}}`))
    }

    expect(await counts('debug')).toEqual([2, 2])
    expect(await counts('info')).toEqual([undefined, undefined])
    // Who does not ask is not told, and stores are not wrapped.
    const metrics = new RuntimeMetrics({ topology: plainTopologyTo(new RecordingSink()), application: 'app' })
    expect(metrics.storeUsed).toBeUndefined()
    metrics.close()
  })

  test('count what a step with caching sends, not what it holds back', async () => {
    const joined = reduce<string, string>('joined', (a, b) => `${a} ${b}`, { caching: true })
    const topology = topologyTo(new RecordingSink(), (stream) => stream.process(joined))
    const work = async ({ group }: Watched) => {
      await group.write(0, { key: 'a', value: 'one' }, { key: 'a', value: 'two' }, { key: 'a', value: 'three' })
      await until(group.clock, () => group.committed()?.offset === 3)
    }

    const value = await watched(topology, work, 'debug')

    const records = (direction: string) => value(`node_records_total{node="joined",direction="${direction}",${app}}`)
    expect([records('in'), records('out')]).toEqual([3, 1])
  })

  test('tell how long the log took to answer, and how many records came with each batch', async () => {
    const value = await watched(plainTopologyTo(new RecordingSink()), async ({ group }) => {
      group.answerMs = 40
      await group.write(0, 'one', 'two')
      group.answerMs = 10
      await group.write(0, 'three')
    })

    const polls = ['poll_duration_seconds', 'poll_records'].map((name) => [
      value(`${name}_count{${app}}`),
      value(`${name}_sum{${app}}`),
    ])
    expect(polls).toEqual([
      [2, 0.05],
      [2, 3],
    ])
  })

  test('tell rebalances by what they followed', async () => {
    const value = await watched(plainTopologyTo(new RecordingSink()), async ({ group }) => {
      await group.lose()
      await group.assign(0)
    })

    const reasons = ['join', 'revoked', 'lost']
    expect(reasons.map((reason) => value(`rebalances_total{reason="${reason}",${app}}`))).toEqual([1, 0, 1])
    const times = reasons.map((reason) => value(`rebalance_duration_seconds_count{reason="${reason}",${app}}`))
    expect(times).toEqual([1, 0, 1])
  })

  test('have at most 200 tasks by name; the others share a series', async () => {
    const value = await watched(plainTopologyTo(new RecordingSink()), async ({ metrics }) => {
      for (let partition = 0; partition < 250; partition++) metrics.taken(`0_${partition}` as TaskId, undefined, 0)
    })

    expect(value(`records_processed_total{task="0_199",${app}}`)).toBe(1)
    expect(value(`records_processed_total{task="0_200",${app}}`)).toBeUndefined()
    expect(value(`records_processed_total{task="other",${app}}`)).toBe(50)
  })

  test('belong to one runtime each', async () => {
    const topology = plainTopologyTo(new RecordingSink())
    const [one, two] = ['one', 'two'].map((application) => new RuntimeMetrics({ topology, application }))
    one?.taken('0_0', undefined, 0)

    const value = await watched(topology, async () => undefined)

    expect(value(`records_processed_total{task="0_0",${app}}`)).toBe(0)
    one?.close()
    two?.close()
  })
})
