import type { ManualClock } from '../../src/clock.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { StreamRuntime, type StreamRuntimeOptions } from '../../src/runtime/stream-runtime.ts'
import { string } from '../../src/serde.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import type { Sink } from '../../src/topology/processor.ts'
import type { Stream } from '../../src/topology/stream.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { inTopic, type ScriptedGroup } from './scripted-group.ts'

/** From a topic to a sink, with what a test puts between them. */
export function topologyTo<V>(
  sink: Sink<string, V>,
  between: (stream: Stream<string, string>) => Stream<string, V>,
  topic = inTopic,
): Topology {
  const builder = new TopologyBuilder()
  between(builder.stream('in', kafka({ topic, key: string, value: string }))).to('out', sink)
  return builder.build()
}

export function plainTopologyTo(sink: Sink<string, string>): Topology {
  return topologyTo(sink, (stream) => stream)
}

type InstanceOptions = Partial<StreamRuntimeOptions> & { readonly topology: Topology }

/** An instance in a scripted group, on the clock of the group, with its stores in memory. */
export function instanceIn(group: ScriptedGroup, options: InstanceOptions): StreamRuntime {
  return new StreamRuntime({
    application: 'app',
    broker: group.broker,
    clock: group.clock,
    commitIntervalMs: 100,
    stateInMemory: options.stateDirectory === undefined,
    ...options,
  })
}

/** Starts one, and waits until it runs. */
export async function runningIn(group: ScriptedGroup, options: InstanceOptions): Promise<StreamRuntime> {
  const instance = instanceIn(group, options)
  await instance.start()
  await until(group.clock, () => instance.state === 'running')
  return instance
}

const turnsThatSettle = 40
const patienceMs = 5_000

/** Lets everything happen that waits for no clock. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < turnsThatSettle; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** Turns the clock step by step, and lets everything happen that falls due. */
export async function pass(clock: ManualClock, durationMs: number, stepMs = 100): Promise<void> {
  await settled()
  for (let passed = 0; passed < durationMs; passed += stepMs) {
    clock.advance(Math.min(stepMs, durationMs - passed))
    await settled()
  }
}

/** Turns the clock until the condition holds: whatever an instance waits for, it waits for on this clock. */
export async function until(clock: ManualClock, condition: () => boolean): Promise<void> {
  for (const giveUpAt = Date.now() + patienceMs; !condition(); clock.advance(10)) {
    if (Date.now() > giveUpAt) throw new Error(`this never came to be: ${condition}`)
    await settled()
  }
}

/** Turns the clock until the work is done, and says what came of it. */
export async function finishing<T>(clock: ManualClock, work: Promise<T>): Promise<T> {
  let isDone = false
  const done = () => {
    isDone = true
  }
  work.then(done, done)
  await until(clock, () => isDone)
  return work
}
