export { type Aggregator, aggregate, type Merger, type RowAggregator } from './aggregation/aggregate.ts'
export { type Cogroup, type Cogrouped, type CogroupedBy, cogroup, cogrouped } from './aggregation/cogroup.ts'
export { count } from './aggregation/count.ts'
export type { Emit } from './aggregation/emit.ts'
export type { Aggregation, GroupedBy, GroupedByKey, GroupValue, InWindows } from './aggregation/grouping.ts'
export { type ReducedRows, type Reducer, reduce } from './aggregation/reduce.ts'
export {
  type ClosingWindows,
  hopping,
  type SessionWindows,
  type SlidingWindows,
  session,
  sliding,
  type TimeWindows,
  tumbling,
  type UnlimitedWindows,
  unlimited,
  type Windows,
} from './aggregation/windows.ts'
export { compareManifests, type ManifestComparison } from './audit.ts'
export { type ChunkOptions, chunk, type DocumentKind } from './chunk.ts'
export type { MeaningLimit } from './chunker/chunker.ts'
export { type DedupeOptions, dedupe } from './dedupe.ts'
export { type DiffOptions, diff } from './diff.ts'
export { filter, filterNot } from './filter.ts'
export { type JoinedByForeignKey, joinByForeignKey, leftJoinByForeignKey } from './joins/join-by-foreign-key.ts'
export { joinGlobalTable, type LooksUpBy, leftJoinGlobalTable } from './joins/join-global-table.ts'
export {
  type JoinedWithin,
  type JoinWindow,
  joinStream,
  leftJoinStream,
  outerJoinStream,
} from './joins/join-stream.ts'
export { type JoinedAfterGrace, type JoinedBy, joinTable, leftJoinTable, outerJoinTable } from './joins/join-table.ts'
export { flatMap, type KeyValue, map, selectKey } from './map.ts'
export { flatMapValues, mapValues } from './map-values.ts'
export { merge } from './merge.ts'
export { peek } from './peek.ts'
export { repartition } from './repartition.ts'
export { type BranchPredicate, branches } from './split.ts'
export { suppress, type UntilTimeLimit, type UntilWindowCloses } from './suppress/suppress.ts'
export type { GroupedRows } from './tables/aggregate-rows.ts'
export { latest } from './tables/latest.ts'
export type { KeptIn } from './tables/row-by-row.ts'
