import type { TaskId } from '../topology/processor.ts'
import type { Topology } from '../topology/topology.ts'
import type { GlobalTableView } from './copies/global-tables.ts'
import type { RuntimeState } from './lifecycle.ts'
import type { TaskView } from './tasks/task-view.ts'

export type { StoreEntry } from '../state/row-reader.ts'
export type { Behind } from './copies/changelog-delay.ts'
export type { GlobalTableView } from './copies/global-tables.ts'
export type { RuntimeState } from './lifecycle.ts'
export type {
  LocalReadOptions,
  QueryableStore,
  ReadableCopy,
  Staleness,
  StoreCopy,
  StoreHosts,
  StoreQueries,
} from './queries/store-queries.ts'
export type { StoreQuery } from './queries/store-query.ts'
export type { StoreView, TaskPhase, TaskView } from './tasks/task-view.ts'

/** A runtime as it is now, to look at: for metrics and probes. */
export interface RuntimeView {
  readonly application: string
  readonly topology: Topology
  readonly state: RuntimeState
  /** The group counts the instance in, also while it rebalances. */
  readonly isMember: boolean
  readonly tasks: readonly TaskView[]
  /** Tasks of other instances whose stores are kept up to date here. */
  readonly standbys: readonly TaskId[]
  readonly globalTables: readonly GlobalTableView[]
  /** Undefined where stores are in memory. */
  readonly stateDirectory: string | undefined
  /** Milliseconds on the clock of the runtime. */
  readonly now: number
  /** Since when, on that clock, the work loop is in its present turn; undefined while it waits for something to do. */
  readonly busySince: number | undefined
  /** How long a turn may take until the instance counts as stuck, milliseconds. */
  readonly processingDeadlineMs: number
}
