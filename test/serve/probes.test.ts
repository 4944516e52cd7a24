import { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, test } from 'vitest'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { embed } from '../../src/embed/embed.ts'
import { hash } from '../../src/embed/hash.ts'
import { StreamError } from '../../src/errors.ts'
import { chunk } from '../../src/operators/chunk.ts'
import { diff } from '../../src/operators/diff.ts'
import type { StreamRuntime } from '../../src/runtime/stream-runtime.ts'
import { string } from '../../src/serde.ts'
import { type OperationsServer, serveOperations } from '../../src/serve/operations.ts'
import { RuntimeMetrics } from '../../src/serve/runtime-metrics.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import type { VectorIndex } from '../../src/topology/processor.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { finishing, instanceIn, pass, plainTopologyTo, runningIn, settled, until } from '../support/instance.ts'
import { ModelIndex } from '../support/model-index.ts'
import { RecordingSink } from '../support/recording-sink.ts'
import { ScriptedGroup } from '../support/scripted-group.ts'

const servers: OperationsServer[] = []

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close()
})

async function serverOf(runtime: StreamRuntime, topology: Topology): Promise<string> {
  const metrics = new RuntimeMetrics({ topology, application: 'app' })
  const server = await serveOperations({ runtime, metrics, port: 0 })
  servers.push(server)
  return server.url
}

interface Statuses {
  readonly livez: number
  readonly readyz: number
  readonly startupz: number
}

/** What an orchestrator would see now. */
async function probed(url: string): Promise<Statuses> {
  const [livez = 0, readyz = 0, startupz = 0] = await Promise.all(
    ['livez', 'readyz', 'startupz'].map(async (probe) => (await fetch(`${url}/${probe}`)).status),
  )
  return { livez, readyz, startupz }
}

const healthy: Statuses = { livez: 200, readyz: 200, startupz: 200 }
const notReady: Statuses = { ...healthy, readyz: 503 }

describe('the probes of an instance', () => {
  const plain = plainTopologyTo(new RecordingSink())

  test('that is starting: alive, not ready, not started', async () => {
    const opening = Promise.withResolvers<void>()
    const topology = plainTopologyTo(new RecordingSink({ open: () => opening.promise }))
    await using group = await ScriptedGroup.open()
    await using instance = instanceIn(group, { topology })
    const url = await serverOf(instance, topology)
    const before = await probed(url)

    const starting = instance.start()
    await settled()
    const during = await probed(url)
    opening.resolve()
    await starting
    await until(group.clock, () => instance.state === 'running')

    expect(before).toEqual({ livez: 200, readyz: 503, startupz: 503 })
    expect(during).toEqual({ livez: 200, readyz: 503, startupz: 503 })
    expect(await probed(url)).toEqual(healthy)
  })

  test('that restores a task: started, not ready', async () => {
    const reading = Promise.withResolvers<void>()
    await using group = await ScriptedGroup.open()
    // The open mark is what a task waits for last.
    group.onCommit = () => reading.promise
    await using instance = instanceIn(group, { topology: plain })
    const url = await serverOf(instance, plain)
    await instance.start()
    const during = await probed(url)

    reading.resolve()
    await until(group.clock, () => instance.state === 'running')

    expect(during).toEqual(notReady)
    expect(await probed(url)).toEqual(healthy)
  })

  test('in a rebalance that brings no new state: ready all the time', async () => {
    await using group = await ScriptedGroup.open({ partitions: 2 })
    await using instance = await runningIn(group, { topology: plain })
    const url = await serverOf(instance, plain)

    await finishing(group.clock, group.revoke())
    const between = { state: instance.state, probes: await probed(url) }
    await group.assign(0, 1)
    const after = await probed(url)

    expect(between).toEqual({ state: 'rebalancing', probes: healthy })
    expect(after).toEqual(healthy)
  })

  test('that the group has removed: alive, not ready until it is a member again', async () => {
    await using group = await ScriptedGroup.open()
    await using instance = await runningIn(group, { topology: plain })
    const url = await serverOf(instance, plain)

    await group.lose()
    const removed = await probed(url)
    await group.assign(0)
    await until(group.clock, () => instance.state === 'running')

    expect(removed).toEqual(notReady)
    expect(await probed(url)).toEqual(healthy)
  })

  test('without partitions: ready', async () => {
    await using group = await ScriptedGroup.open()
    await using instance = await runningIn(group, { topology: plain })
    const url = await serverOf(instance, plain)

    await finishing(group.clock, group.revoke())
    await group.assign()

    expect(instance.tasks).toEqual([])
    expect(await probed(url)).toEqual(healthy)
  })

  test('whose broker is down: alive and ready, for a restart would help nobody', async () => {
    let isDown = false
    const unreachable = async () => {
      throw new StreamError('BROKER_UNREACHABLE', 'the script says so')
    }
    await using group = await ScriptedGroup.open()
    const { broker } = group
    const offsets: typeof broker.offsets = (places) => (isDown ? unreachable() : broker.offsets(places))
    await using instance = await runningIn(group, {
      topology: plain,
      broker: Object.create(broker, { offsets: { value: offsets } }),
    })
    const url = await serverOf(instance, plain)

    isDown = true
    group.onCommit = unreachable
    await group.write(0, 'waits for its commit')
    await pass(group.clock, 10_000)

    expect(await probed(url)).toEqual(healthy)
    await instance.kill()
  })

  test('whose index is down: alive and ready', async () => {
    const down = Promise.withResolvers<void>()
    const topology = plainTopologyTo(new RecordingSink({ write: () => down.promise }))
    await using group = await ScriptedGroup.open()
    await using instance = await runningIn(group, { topology })
    const url = await serverOf(instance, topology)

    await group.write(0, 'waits for the index')
    await pass(group.clock, 10_000)

    expect(await probed(url)).toEqual(healthy)
    down.resolve()
  })

  test('whose embedder is dead: alive and ready', async () => {
    const topology = embeddingTopology()
    await using group = await ScriptedGroup.open()
    await using instance = await runningIn(group, { topology })
    const url = await serverOf(instance, topology)

    await group.write(0, 'waits for its vector')
    await pass(group.clock, 5_000)
    const metrics = await (await fetch(`${url}/metrics`)).text()

    expect(await probed(url)).toEqual(healthy)
    expect(metrics).toContain('millrace_in_flight_records{task="0_0",application="app"} 1')
    await instance.kill()
  })

  test('whose work loop is stuck for longer than the deadline: dead', async () => {
    const answer = Promise.withResolvers<never>()
    await using group = await ScriptedGroup.open({ committed: { offset: 0, metadata: '' } })
    const { broker } = group
    await using instance = instanceIn(group, {
      topology: plain,
      processingDeadlineMs: 5_000,
      broker: Object.create(broker, {
        // The loop asks for the end of the log before it goes on; whoever else asks gets no answer either.
        offsets: { value: (places: []) => (instance.state === 'running' ? answer.promise : broker.offsets(places)) },
      }),
    })
    const url = await serverOf(instance, plain)
    await instance.start()
    await until(group.clock, () => instance.state === 'running')
    const before = await probed(url)

    await pass(group.clock, 5_000)
    const stuck = await probed(url)

    expect([before.livez, stuck.livez]).toEqual([200, 503])
    answer.reject(new StreamError('BROKER_UNREACHABLE', 'the script says so'))
    await instance.kill()
  })

  test('whose event loop is blocked: no answer in time, which counts as dead', async () => {
    await using group = await ScriptedGroup.open()
    await using instance = await runningIn(group, { topology: plain })
    const url = await serverOf(instance, plain)
    const prober = new Worker(
      `const { parentPort, workerData } = require('node:worker_threads')
       parentPort.once('message', async () => {
         const answer = await fetch(workerData, { signal: AbortSignal.timeout(50) }).then((r) => r.status, () => 0)
         Atomics.store(told, 0, 1); Atomics.notify(told, 0)
         parentPort.postMessage(answer)
       })
       const told = new Int32Array(new SharedArrayBuffer(4))
       parentPort.postMessage(told)`,
      { eval: true, workerData: `${url}/livez` },
    )
    const told = await new Promise<Int32Array>((resolve) => prober.once('message', resolve))

    prober.postMessage('probe')
    Atomics.wait(told, 0, 0, 5_000)
    const seen = await new Promise<number>((resolve) => prober.once('message', resolve))

    expect(seen).toBe(0)
    expect(await probed(url)).toEqual(healthy)
    await prober.terminate()
  })

  test('that shuts down: alive, not ready, until the server goes with it', async () => {
    const writing = Promise.withResolvers<void>()
    const topology = plainTopologyTo(new RecordingSink({ write: () => writing.promise }))
    await using group = await ScriptedGroup.open()
    await using instance = await runningIn(group, { topology })
    const url = await serverOf(instance, topology)
    await group.write(0, 'in flight')

    const closing = instance.close()
    const during = await probed(url)
    writing.resolve()
    await finishing(group.clock, closing)

    expect(during).toEqual(notReady)
    await expect
      .poll(() =>
        fetch(`${url}/livez`).then(
          () => 'answered',
          () => 'gone',
        ),
      )
      .toBe('gone')
  })

  test('that has failed: dead, and says so', async () => {
    const topology = plainTopologyTo(new RecordingSink())
    await using group = await ScriptedGroup.open()
    await using instance = await runningIn(group, { topology })
    const url = await serverOf(instance, topology)
    group.onCommit = () => {
      throw new StreamError('STATE_IO', 'the disk is gone')
    }

    await group.write(0, 'never committed')
    await until(group.clock, () => instance.state === 'failed')

    expect(await probed(url)).toEqual({ livez: 503, readyz: 503, startupz: 503 })
    expect(await (await fetch(`${url}/livez`)).json()).toEqual({ ok: false, reason: 'the runtime is failed' })
    await instance.finished.catch(() => undefined)
  })
})

/** With an embedder that never answers. */
function embeddingTopology(): Topology {
  const writer = () => ({ write: async () => undefined, flush: () => undefined, close: async () => undefined })
  const index: VectorIndex = Object.assign(new ModelIndex(), { writer })
  const dead = Object.create(hash({ dimensions: 8 }), { embed: { value: () => new Promise(() => undefined) } })
  const builder = new TopologyBuilder()
  builder
    .stream('in', kafka({ topic: 'in', key: string, value: string }))
    .process(chunk('chunks', { text: (text) => text }))
    .process(diff('changes', { against: index }))
    .process(embed('vectors', dead))
    .to('index', index)
  return builder.build()
}
