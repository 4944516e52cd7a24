// The public API. What is not named here may change without notice.
export { type Cancel, type Clock, ManualClock, systemClock } from './clock.ts'
export { type ErrorReaction, type RuntimeSettings, type RuntimeSettingsInput, runtimeSettings } from './config.ts'
export { type ErrorCode, errorTable, isStreamError, type Reaction, StreamError } from './errors.ts'
export { FileDocument } from './file-document.ts'
export { type Logger, silentLogger } from './logger.ts'
export type {
  ChangeKind,
  Chunk,
  ChunkedDocument,
  DocumentChange,
  DocumentKey,
  Hit,
  IndexOp,
  Metadata,
  PendingPoint,
  Point,
  PointId,
  PointPayload,
  PointRef,
} from './model.ts'
export { murmur2, partitionFor } from './partitioner.ts'
export type { Header, Headers, RecordMetadata, StreamRecord } from './record.ts'
export type { Broker, TopicPartition } from './runtime/broker.ts'
export type { RuntimeState, StateListener } from './runtime/lifecycle.ts'
export type {
  DeliveredEvent,
  GivenUpEvent,
  GlobalReadEvent,
  LoopPhase,
  NodeEvent,
  PartitionLag,
  RebalancedEvent,
  RebalanceReason,
  RestoredEvent,
  RestoreEvent,
  RuntimeObserver,
  StandbyEvent,
} from './runtime/observer.ts'
export { StreamRuntime, type StreamRuntimeOptions } from './runtime/stream-runtime.ts'
export type { ReceivedBatch, RecordTrace, TracedRecord, Tracer } from './runtime/tracer.ts'
export type {
  Behind,
  GlobalTableView,
  LocalReadOptions,
  QueryableStore,
  RuntimeView,
  Staleness,
  StoreCopy,
  StoreEntry,
  StoreHosts,
  StoreQueries,
  StoreQuery,
  StoreView,
  TaskPhase,
  TaskView,
} from './runtime/views.ts'
export { bytes, json, msgpack, nullable, type Serde, string } from './serde.ts'
export { type OperationsOptions, type OperationsServer, serveOperations } from './serve/operations.ts'
export { type QueryServer, type QueryServerOptions, serveQueries } from './serve/queries/serve-queries.ts'
export { RuntimeMetrics, type RuntimeMetricsOptions } from './serve/runtime-metrics.ts'
export { RuntimeTracing, type RuntimeTracingOptions } from './serve/runtime-tracing.ts'
export type {
  KeyRange,
  KeysInMemory,
  KeyValueStore,
  KeyValueStoreSpec,
  PutVersion,
  ReadOnlyKeyValueStore,
  ReadOnlySessionStore,
  ReadOnlyVersionedStore,
  ReadOnlyWindowStore,
  ScannableStore,
  SessionEntry,
  SessionStore,
  SessionStoreSpec,
  StateStore,
  StoreOf,
  StoreSpec,
  TimestampedKeyValueStoreSpec,
  Version,
  VersionedStore,
  VersionedStoreSpec,
  WindowEntry,
  WindowStore,
  WindowStoreSpec,
} from './state/store.ts'
export {
  keyValueStore,
  sessionStore,
  timestampedKeyValueStore,
  versionedStore,
  windowStore,
} from './state/store-specs.ts'
export type { Timestamped } from './state/timestamped.ts'
export { TopologyBuilder } from './topology/builder.ts'
export {
  describeAsMermaid,
  describeAsText,
  describeTopology,
  type NodeDescription,
  type StoreDescription,
  type TopologyDescription,
} from './topology/describe.ts'
export { diffTopologies, losesState, type StateEffect, type TopologyChange } from './topology/diff-topologies.ts'
export type { Feed, FeedBatch, FeedProblem, FeedRecord, FeedStats } from './topology/feed.ts'
export { GlobalTable } from './topology/global-table.ts'
export type {
  DropReason,
  HeldResult,
  IndexReport,
  IndexStats,
  Lease,
  Pipeline,
  PipelineFacts,
  Processor,
  ProcessorContext,
  ProcessorSupplier,
  PunctuationTime,
  Punctuator,
  Resource,
  ScheduleOptions,
  SearchOptions,
  SearchQuery,
  SharedWork,
  Sink,
  SinkWriter,
  StoredPoint,
  StreamHandle,
  StreamInput,
  TaskId,
  VectorIndex,
} from './topology/processor.ts'
export type { Partitioning, Repartition, TimestampExtractor, TopicSource, TopicTarget } from './topology/source.ts'
export { Stream, type StreamSplit, Table, type TableMaker, type TableOperator } from './topology/stream.ts'
export type {
  Change,
  RowHistory,
  SourceTableStore,
  StoreAccess,
  TableHistory,
  TableRows,
  TableStore,
} from './topology/table.ts'
export { skipInvalidTimestamp, usePartitionTime, useWallClock } from './topology/timestamps.ts'
export type { TopicChoice } from './topology/topic-choice.ts'
export type { GlobalTableSpec, Subtopology, Topology, TopologyNode } from './topology/topology.ts'
export type { Caching } from './topology/updates.ts'
export { sessionWindowed, timeWindowed, type Window, type Windowed } from './windowed.ts'
