import { describe, expect, test } from 'vitest'
import { MetricRegistry } from '../../src/metric-registry.ts'
import type { StoreView, TaskView } from '../../src/runtime/views.ts'
import { StoreGauges } from '../../src/serve/store-gauges.ts'
import type { TaskId } from '../../src/topology/processor.ts'

/** A task with the store `seen`, whose reads the disk has answered. */
function task(id: TaskId, reads: number, diskBytes: () => Promise<ReadonlyMap<string, number>>): TaskView {
  const store: StoreView = { name: 'seen', heldBytes: 10, reads: { overlay: 0, cache: 0, bytes: reads } }
  const idle = {
    phase: 'running',
    queuedBytes: 0,
    inFlight: 0,
    openGenerations: 1,
    uncommittedSince: undefined,
    streamTime: -1,
  } as const
  return { id, ...idle, committed: new Map(), stores: [store], diskBytes }
}

const holding = (bytes: number) => async () => new Map([['seen', bytes]])

describe('the metrics of stores', () => {
  test('add up over tasks that come, go, and are opened again', async () => {
    const registry = new MetricRegistry({ application: 'app' })
    const gauges = new StoreGauges(registry)

    await gauges.look([task('0_0', 100, holding(1)), task('0_1', 50, holding(2))])
    await gauges.look([task('0_0', 130, holding(1))])
    await gauges.look([task('0_0', 130, holding(1)), task('0_1', 5, holding(2))])
    await gauges.look([task('0_0', 7, holding(1)), task('0_1', 5, holding(2))])

    const text = await registry.text()
    expect(text).toContain('millrace_store_reads_total{store="seen",from="bytes",application="app"} 192')
    expect(text).toContain('millrace_store_held_bytes{store="seen",application="app"} 20')
    expect(text).toContain('millrace_store_size_bytes{store="seen",application="app"} 3')
  })

  test('leave out the disk of a task that is closed meanwhile', async () => {
    const registry = new MetricRegistry({ application: 'app' })
    const closed = () => Promise.reject(new Error('the store was closed'))

    await new StoreGauges(registry).look([task('0_0', 0, holding(4)), task('0_1', 0, closed)])

    expect(await registry.text()).toContain('millrace_store_size_bytes{store="seen",application="app"} 4')
  })
})
