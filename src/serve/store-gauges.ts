import type { MetricRegistry } from '../metric-registry.ts'
import type { StoreView, TaskView } from '../runtime/views.ts'
import type { TaskId } from '../topology/processor.ts'

type Reads = StoreView['reads']

const layers = ['overlay', 'cache', 'bytes'] as const
const none: Reads = { overlay: 0, cache: 0, bytes: 0 }

/** What stores hold and how they are read, over all tasks: brought up to date when somebody scrapes. */
export class StoreGauges {
  readonly #registry: MetricRegistry
  /** What was seen last, by task and store. */
  #reads = new Map<TaskId, ReadonlyMap<string, Reads>>()

  constructor(registry: MetricRegistry) {
    this.#registry = registry
  }

  async look(tasks: readonly TaskView[]): Promise<void> {
    const stores = tasks.flatMap((task) => task.stores)
    this.#registry.replace('store_held_bytes', sums(stores.map(({ name, heldBytes }) => [name, heldBytes])))
    this.#lookAtReads(tasks)
    // A task may be closed while its disk is looked at.
    const sizes = await Promise.allSettled(tasks.map((task) => task.diskBytes()))
    const found = sizes.flatMap((size) => (size.status === 'fulfilled' ? [...size.value] : []))
    this.#registry.replace('store_size_bytes', sums(found))
  }

  /** Tasks come and go, and a task that is opened again counts anew: what is added is what each has counted since. */
  #lookAtReads(tasks: readonly TaskView[]): void {
    const before = this.#reads
    this.#reads = new Map(
      tasks.map(({ id, stores }) => [id, new Map(stores.map(({ name, reads }) => [name, { ...reads }]))]),
    )
    for (const { id, stores } of tasks) {
      for (const { name, reads } of stores) {
        const earlier = before.get(id)?.get(name) ?? none
        const since = layers.every((layer) => reads[layer] >= earlier[layer]) ? earlier : none
        for (const from of layers) {
          this.#registry.start('store_reads_total', { store: name, from })
          this.#registry.add('store_reads_total', { store: name, from }, reads[from] - since[from])
        }
      }
    }
  }
}

/** A series for each store. */
function sums(values: readonly (readonly [store: string, value: number])[]) {
  const totals = new Map<string, number>()
  for (const [store, value] of values) totals.set(store, (totals.get(store) ?? 0) + value)
  return [...totals].map(([store, total]) => [{ store }, total] as const)
}
