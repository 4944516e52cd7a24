import {
  type Attributes,
  type Context,
  context,
  isSpanContextValid,
  type Link,
  type Tracer as OpenTelemetryTracer,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import { isStreamError, reasonOf } from '../errors.ts'
import type { StreamRecord } from '../record.ts'
import type { ReceivedBatch, RecordTrace, TracedRecord, Tracer } from '../runtime/tracer.ts'
import type { SharedWork } from '../topology/processor.ts'
import { type SinkNode, topicName } from '../topology/topology.ts'
import { readVersion } from '../version.ts'
import { carrying, contextOf } from './trace-headers.ts'

export interface RuntimeTracingOptions {
  /** The name of the application, which is that of its consumer group. */
  readonly application: string
  /** What the log is, for `messaging.system`. Default `kafka`. */
  readonly system?: string
}

/** Of each partition: what was fetched ahead is rarely more. */
const rememberedBatches = 100

/**
 * The spans of one runtime, for the SDK of OpenTelemetry that the process has registered; without one they cost next to nothing. Names
 * and attributes are those of the semantic conventions for messaging.
 *
 *   receive <topic>     client     a batch has come; its duration says nothing
 *   process <topic>     consumer   a record and everything that it causes: child of the span in its headers, linked to `receive`
 *   embed <node>        internal   a batch of the model, linked to the records whose texts it had
 *   send <topic>        producer   a record to a topic, until it is acknowledged; its context goes along in the headers
 *   write <index>       client     the operations of a document, until they are in the index
 *
 * The span of a record is the active one while nodes work for it, so spans of other instrumentations are its children.
 *
 * @example
 * const tracer = new RuntimeTracing({ application: 'documents-to-index' })
 * const runtime = new StreamRuntime({ topology, broker, application: 'documents-to-index', tracer })
 */
export class RuntimeTracing implements Tracer {
  readonly #tracer: OpenTelemetryTracer
  readonly #application: string
  readonly #common: Attributes
  readonly #received = new Map<string, Received[]>()
  /** Batches of the model that are being told of, with the records that have. */
  readonly #batches = new Map<SharedWork, Link[]>()

  constructor({ application, system = 'kafka' }: RuntimeTracingOptions) {
    this.#tracer = trace.getTracer('millrace', readVersion())
    this.#application = application
    this.#common = { 'messaging.system': system, 'messaging.consumer.group.name': application }
  }

  received({ topic, partition, records, next }: ReceivedBatch): void {
    const span = this.#tracer.startSpan(`receive ${topic}`, {
      kind: SpanKind.CLIENT,
      attributes: {
        ...this.#attributes('receive', topic, partition),
        'messaging.batch.message_count': records,
      },
    })
    span.end()
    const spanContext = span.spanContext()
    if (records > 0 && isSpanContextValid(spanContext))
      this.#remember(topic, partition, { next, link: { context: spanContext } })
  }

  begin({ task, source, key, value, headers }: TracedRecord): RecordTrace {
    const { topic, partition, offset } = source
    const parent = contextOf(headers)
    const received = this.#receivedWith(topic, partition, offset)
    const span = this.#tracer.startSpan(
      `process ${topic}`,
      {
        kind: SpanKind.CONSUMER,
        attributes: {
          ...this.#attributes('process', topic, partition),
          'messaging.kafka.offset': offset,
          'millrace.task': task,
        },
        links: received ? [received] : [],
      },
      parent,
    )
    if (!isSpanContextValid(span.spanContext())) return untraced
    if (span.isRecording()) span.setAttributes(ofMessage(key, value))
    return this.#traceOf(span, trace.setSpan(parent, span))
  }

  #traceOf(span: Span, active: Context): RecordTrace {
    return {
      within: (action) => context.with(active, action),
      writing: (sink, record, write) => this.#writing(sink, { record, write, active }),
      shared: (node, work) => this.#shared(node, work, span),
      retried: (node, { code }) => {
        span.addEvent('retry', { 'millrace.node': node, 'error.type': code })
      },
      givenUp: (node, error) => {
        span.setAttribute('millrace.node', node)
        fail(span, error)
      },
      end: () => span.end(),
    }
  }

  async #writing(sink: SinkNode, { record, write, active }: Writing): Promise<void> {
    const topic = topicName(sink, this.#application)
    const span = topic === undefined ? this.#indexSpan(sink, active) : this.#sendSpan(topic, active)
    const around = trace.setSpan(active, span)
    try {
      await context.with(around, () => write(topic === undefined ? record : carrying(record, around)))
    } catch (error) {
      fail(span, error)
      throw error
    } finally {
      span.end()
    }
  }

  #sendSpan(topic: string, active: Context): Span {
    const attributes = this.#attributes('send', topic)
    return this.#tracer.startSpan(`send ${topic}`, { kind: SpanKind.PRODUCER, attributes }, active)
  }

  /** An index is called `qdrant:documents`: what it is, and which. */
  #indexSpan({ name, target }: SinkNode, active: Context): Span {
    const [system = '', ...rest] = (target.kind === 'sink' ? target.sink.name : '').split(':')
    const collection = rest.join(':') || system
    const attributes = {
      'db.system.name': system,
      'db.collection.name': collection,
      'db.operation.name': 'write',
      'millrace.node': name,
    }
    return this.#tracer.startSpan(`write ${collection}`, { kind: SpanKind.CLIENT, attributes }, active)
  }

  /** Everybody is told of a batch in one go: its span is made when all of them have spoken. */
  #shared(node: string, work: SharedWork, span: Span): void {
    // Tokenizing is a hundredth of what a batch takes: a span costs more than it tells.
    if (work.step !== undefined) return
    const link = { context: span.spanContext() }
    const known = this.#batches.get(work)
    if (known) known.push(link)
    else {
      this.#batches.set(work, [link])
      queueMicrotask(() => this.#endBatch(node, work))
    }
  }

  #endBatch(node: string, work: SharedWork): void {
    const links = this.#batches.get(work) ?? []
    this.#batches.delete(work)
    const counts = Object.entries(work.counts).map(([what, count]) => [`millrace.batch.${what}`, count])
    const attributes = {
      'millrace.node': node,
      ...Object.fromEntries(counts),
      ...(work.reason !== undefined && { 'millrace.batch.reason': work.reason }),
    }
    const span = this.#tracer.startSpan(`embed ${node}`, { attributes, links, startTime: work.startedAt, root: true })
    if (work.error !== undefined) fail(span, work.error)
    span.end(work.endedAt)
  }

  #attributes(operation: 'receive' | 'process' | 'send', topic: string, partition?: number): Attributes {
    return {
      ...this.#common,
      'messaging.operation.name': operation,
      'messaging.operation.type': operation,
      'messaging.destination.name': topic,
      ...(partition !== undefined && { 'messaging.destination.partition.id': String(partition) }),
    }
  }

  /** A partition that has come back begins anew. Records that are not traced leave their batches behind. */
  #remember(topic: string, partition: number, { next, link }: Omit<Received, 'from'>): void {
    const key = `${topic}-${partition}`
    const known = this.#received.get(key)
    const from = known?.at(-1)?.next ?? 0
    if (!known || next < from) this.#received.set(key, [{ from: 0, next, link }])
    else if (known.push({ from, next, link }) > rememberedBatches) known.shift()
  }

  /** The batch with which a record came; those before it are over. */
  #receivedWith(topic: string, partition: number, offset: number): Link | undefined {
    const known = this.#received.get(`${topic}-${partition}`)
    while (known?.[0] && known[0].next <= offset) known.shift()
    const [first] = known ?? []
    return first && first.from <= offset ? first.link : undefined
  }
}

/** A batch that was received: offsets from `from`, where the one before ended, up to `next`. */
interface Received {
  readonly from: number
  readonly next: number
  readonly link: Link
}

interface Writing {
  readonly record: AnyRecord
  readonly write: (record: AnyRecord) => Promise<void>
  readonly active: Context
}

type AnyRecord = StreamRecord<unknown, unknown>

/** Of every record while the process has no SDK. One that is not sampled has a context, which goes along. */
const untraced: RecordTrace = {
  within: (action) => action(),
  writing: (_, record, write) => write(record),
  shared: () => undefined,
  retried: () => undefined,
  givenUp: () => undefined,
  end: () => undefined,
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** What costs something to find out. A key that is no text is left out. */
function ofMessage(key: Uint8Array | null, value: Uint8Array | null): Attributes {
  const attributes: Attributes = value === null ? { 'messaging.kafka.message.tombstone': true } : {}
  try {
    if (key) attributes['messaging.kafka.message.key'] = utf8.decode(key)
  } catch {
    // Bytes.
  }
  return attributes
}

function fail(span: Span, error: unknown): void {
  const code = isStreamError(error) ? error.code : '_OTHER'
  span.setAttribute('error.type', code)
  span.setStatus({ code: SpanStatusCode.ERROR, message: reasonOf(error) })
}
