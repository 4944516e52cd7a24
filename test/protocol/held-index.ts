import { type Clock, delay } from '../../src/clock.ts'
import { StreamError } from '../../src/errors.ts'
import type { DocumentKey, IndexOp, PointId, PointPayload, PointRef } from '../../src/model.ts'
import type { StreamRecord } from '../../src/record.ts'
import type { Lease, SinkWriter, StoredPoint, VectorIndex } from '../../src/topology/processor.ts'
import { type Fates, fateOf, type Outcome } from './script.ts'

type Write = StreamRecord<DocumentKey, readonly IndexOp[]>

/** One point touched by a request; a request is a list of them, and a part of it may be all that arrives. */
type Touch =
  | { readonly kind: 'upsert' | 'payload'; readonly id: PointId; readonly payload: PointPayload }
  | { readonly kind: 'delete'; readonly id: PointId }

interface Request {
  readonly number: number
  readonly owner: IndexClient
  readonly sentAt: number
  readonly text: string
  /** Empty for a read. */
  readonly touches: readonly Touch[]
  readonly succeed: () => void
  readonly fail: (error: unknown) => void
}

export interface HeldIndexOptions {
  readonly clock: Clock
  readonly trace: (line: string) => void
  readonly fault: (line: string) => void
}

/** What a request of an owner that is gone may take to land. */
export const requestTimeoutMs = 200

/** An index in memory that answers no request before it is told to. Every instance has a client of its own. */
export class HeldIndex {
  readonly points = new Map<PointId, PointPayload>()
  readonly options: HeldIndexOptions
  /** Answer everything at once, well. */
  isAnswering = false
  /** What happens to the next requests whose owner goes away. */
  fates: Fates = 0
  #pending: Request[] = []
  #sent = 0
  #abandoned = 0
  #underWay = 0

  constructor(options: HeldIndexOptions) {
    this.options = options
  }

  /** No request is waiting for an answer, and none of an owner that is gone is under way. */
  get isQuiet(): boolean {
    return this.#pending.length === 0 && this.#underWay === 0
  }

  answer(request: number, outcome: Outcome): void {
    const chosen = this.#pending[request % Math.max(1, this.#pending.length)]
    if (chosen) this.#answer(chosen, outcome)
  }

  answerAll(): void {
    for (const request of [...this.#pending]) this.#answer(request, 'done')
  }

  answerTo(instance: string): void {
    const chosen = this.#pending.filter(({ owner }) => owner.name === instance)
    for (const request of chosen) this.#answer(request, 'done')
  }

  send(
    owner: IndexClient,
    request: Pick<Request, 'text' | 'touches' | 'succeed' | 'fail'>,
    signal?: AbortSignal,
  ): void {
    const { clock, trace } = this.options
    const sent: Request = { ...request, owner, number: ++this.#sent, sentAt: clock.now() }
    trace(`${owner.name}: request ${sent.number}: ${sent.text}`)
    if (signal?.aborted) {
      request.fail(signal.reason)
      return
    }
    const onAbort = () => {
      request.fail(signal?.reason)
      this.#abandon(sent)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    if (owner.isDead) return
    this.#pending.push(sent)
    // A sender does not wait for ever, and what it has sent does not take effect later than that.
    clock.after(requestTimeoutMs, () => this.#answer(sent, sent.number % 2 === 0 ? 'unknown' : 'outage'))
    if (this.isAnswering) this.answerAll()
  }

  /** The process behind a client is gone, with everything it had sent. */
  abandonAll(owner: IndexClient): void {
    for (const request of this.#pending.filter((candidate) => candidate.owner === owner)) this.#abandon(request)
  }

  refs(): PointRef[] {
    return [...this.points].map(([id, payload]) => {
      const { doc, partition, hash, payload: payloadHash, occurrence, pipeline } = payload._millrace
      return { id, doc, partition, hash, payloadHash, occurrence, pipeline }
    })
  }

  #answer(request: Request, outcome: Outcome): void {
    const place = this.#pending.indexOf(request)
    if (place < 0) return
    this.#pending.splice(place, 1)
    const { touches, owner, number } = request
    const isRead = touches.length === 0
    this.options.trace(`index: answers request ${number} of ${owner.name}: ${outcome}`)
    if (outcome === 'done' || outcome === 'unknown') this.#apply(touches)
    if (outcome === 'rejected-partly') this.#apply(touches.slice(0, Math.ceil(touches.length / 2)))
    if (outcome === 'done') request.succeed()
    else if (outcome.startsWith('rejected') && !isRead)
      request.fail(new StreamError('INDEX_REJECTED', `request ${number} is refused`))
    else request.fail(new StreamError('INDEX_UNREACHABLE', `request ${number} had no answer`))
  }

  /** The owner does not wait any more; what it had sent may still arrive, whole, in part or late, but not after the timeout. */
  #abandon(request: Request): void {
    const place = this.#pending.indexOf(request)
    if (place < 0) return
    this.#pending.splice(place, 1)
    if (request.touches.length === 0) return
    const { clock, trace } = this.options
    const fate = fateOf(this.fates, this.#abandoned++)
    trace(`index: request ${request.number} of ${request.owner.name}, which does not wait any more: ${fate}`)
    if (fate === 'lands') this.#apply(request.touches)
    if (fate === 'lands partly') this.#apply(request.touches.slice(0, Math.ceil(request.touches.length / 2)))
    if (fate !== 'lands late') return
    this.#underWay++
    const latest = request.sentAt + requestTimeoutMs - clock.now()
    clock.after((latest * ((request.number % 3) + 1)) / 3, () => {
      this.#underWay--
      trace(`index: request ${request.number} of ${request.owner.name} lands late`)
      this.#apply(request.touches)
    })
  }

  #apply(touches: readonly Touch[]): void {
    for (const touch of touches) {
      if (touch.kind === 'delete') this.points.delete(touch.id)
      else if (touch.kind === 'upsert' || this.points.has(touch.id)) this.points.set(touch.id, touch.payload)
    }
  }
}

/** The index as one instance sees it. */
export class IndexClient implements VectorIndex {
  readonly name: string
  readonly requestTimeoutMs = requestTimeoutMs
  readonly stats = { writeRequests: 0, pointsWritten: 0, payloadsWritten: 0, pointsDeleted: 0 }
  readonly #index: HeldIndex
  #isDead = false

  constructor(name: string, index: HeldIndex) {
    this.name = name
    this.#index = index
  }

  get isDead(): boolean {
    return this.#isDead
  }

  /** As after kill -9: nothing is sent any more, and nothing is heard. */
  die(): void {
    this.#isDead = true
    this.#index.abandonAll(this)
  }

  async open(): Promise<void> {}

  async close(): Promise<void> {}

  writer(task: string, lease?: Lease): SinkWriter<DocumentKey, readonly IndexOp[]> {
    const latest = new Map<DocumentKey, number>()
    const waiting = new Set<DocumentKey>()
    let isClosed = false
    return {
      write: async (record, signal) => {
        const { key, timestamp } = record
        if (isClosed)
          this.#index.options.fault(`${this.name} sends version ${timestamp} of ${key} for a task that is closed`)
        if (waiting.has(key)) this.#index.options.fault(`${this.name} has two requests for ${key} under way`)
        if (timestamp < (latest.get(key) ?? 0))
          this.#index.options.fault(
            `${this.name} sends version ${timestamp} of ${key} after version ${latest.get(key)}`,
          )
        latest.set(key, timestamp)
        waiting.add(key)
        try {
          while (lease?.held === false) await delay(this.#index.options.clock, 20, signal)
          await this.#write(task, record, signal)
        } finally {
          waiting.delete(key)
        }
      },
      flush: () => undefined,
      close: async () => {
        isClosed = true
      },
    }
  }

  observe(keys: readonly DocumentKey[], signal?: AbortSignal): Promise<Map<DocumentKey, readonly PointRef[]>> {
    return new Promise((resolve, reject) => {
      const found = () => Map.groupBy(this.#index.refs(), ({ doc }) => doc)
      const succeed = () => resolve(new Map([...found()].filter(([key]) => keys.includes(key))))
      this.#index.send(this, { text: `observe ${keys.join(' ')}`, touches: [], succeed, fail: reject }, signal)
    })
  }

  async *scan(): AsyncGenerator<StoredPoint> {
    for (const ref of this.#index.refs()) {
      const payload = this.#index.points.get(ref.id)
      if (payload) yield { ...ref, payload }
    }
  }

  async search(): Promise<never> {
    throw new Error('nobody searches here')
  }

  #write(task: string, record: Write, signal: AbortSignal): Promise<void> {
    const touches = (record.value ?? []).flatMap(touchesOf)
    const text = `${task} ${record.key} version ${record.timestamp}: ${touches.map((touch) => this.#textOf(touch)).join(' ')}`
    return new Promise((resolve, reject) => {
      this.#index.send(this, { text, touches, succeed: resolve, fail: reject }, signal)
    })
  }

  #textOf(touch: Touch): string {
    if (touch.kind === 'delete') return `-${this.#index.points.get(touch.id)?.content ?? '(unknown)'}`
    return `${touch.kind === 'upsert' ? '+' : '~'}${pointText(touch.payload)}`
  }
}

export function pointText({ content, metadata }: PointPayload): string {
  return `${content}/${metadata.mark}`
}

function touchesOf(operation: IndexOp): Touch[] {
  if (operation.kind === 'upsert') return operation.points.map(({ id, payload }) => ({ kind: 'upsert', id, payload }))
  if (operation.kind === 'set-payload')
    return operation.updates.map(({ id, payload }) => ({ kind: 'payload', id, payload }))
  return operation.ids.map((id) => ({ kind: 'delete', id }))
}
