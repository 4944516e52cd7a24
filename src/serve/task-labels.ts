import type { TaskId } from '../topology/processor.ts'

const maxTasks = 200

/** What the label `task` says: the id of a task for the first 200 of an instance, `other` for the rest. */
export class TaskLabels {
  readonly #known = new Set<TaskId>()

  of(task: TaskId): string {
    if (this.#known.has(task)) return task
    if (this.#known.size >= maxTasks) return 'other'
    this.#known.add(task)
    return task
  }
}

/** Joins the series of tasks that share a label. */
export function folded<Item>(
  items: readonly Item[],
  parts: {
    readonly label: (item: Item) => string
    readonly value: (item: Item) => number
    readonly join?: (a: number, b: number) => number
  },
): (readonly [{ readonly task: string }, number])[] {
  const { label, value, join = (a, b) => a + b } = parts
  const values = new Map<string, number>()
  for (const item of items) {
    const before = values.get(label(item))
    values.set(label(item), before === undefined ? value(item) : join(before, value(item)))
  }
  return [...values].map(([task, joined]) => [{ task }, joined])
}
