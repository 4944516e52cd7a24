import type { Failpoint } from '../../src/runtime/commit/checkpoint.ts'
import { StreamRuntime } from '../../src/runtime/stream-runtime.ts'
import { HeldBroker } from './held-broker.ts'
import { IndexClient } from './held-index.ts'
import { abandon, folderOf, remove } from './memory-level.ts'
import type { Fates, InstanceName, Successor } from './script.ts'
import { application, type World } from './world.ts'

/** Where a crash is to happen. */
interface Trap {
  readonly point: Failpoint
  readonly fates: Fates
  readonly next: Successor
}

/** One process after the other under one name, with one state folder. */
export class Instance {
  readonly name: InstanceName
  readonly #world: World
  #life: Life | undefined
  #trap: Trap | undefined
  #processes = 0
  /** Ends of processes that are not over yet. */
  readonly #ends = new Set<Promise<void>>()
  /** Records are fetched only when the script says so. */
  isStalled = false

  constructor(name: InstanceName, world: World) {
    this.name = name
    this.#world = world
  }

  get broker(): HeldBroker | undefined {
    return this.#life?.broker
  }

  get runtime(): StreamRuntime | undefined {
    return this.#life?.runtime
  }

  /** Every process that was ended has ended. */
  get isSettled(): boolean {
    return this.#ends.size === 0
  }

  start({ wiped = false } = {}): void {
    if (this.#life) return
    this.#world.trace(`${this.name} starts${wiped ? ' with an empty disk' : ''}`)
    const folder = folderOf(this.name, ++this.#processes)
    if (wiped) remove(folder)
    const life = new Life(this.name, this.#world, { folder, failpoint: (point) => this.#reached(point) })
    this.#life = life
    life.start().catch(() => undefined)
    life.runtime.finished.then(
      () => this.#ended(life),
      (error: unknown) => {
        if (!life.isDead) this.#world.fault(`${this.name} failed: ${error instanceof Error ? error.message : error}`)
        this.#ended(life)
      },
    )
  }

  /** An orderly end; goes on in the background. */
  close(): void {
    const life = this.#life
    if (life?.broker.isReachable) this.#await(life.runtime.close())
  }

  /** As after kill -9. */
  async crash(fates: Fates, next: Successor): Promise<void> {
    const life = this.#life
    if (!life || life.isDead) return
    this.#world.trace(`${this.name} crashes`)
    this.#trap = undefined
    this.#life = undefined
    this.#world.index.fates = fates
    life.die()
    abandon(life.folder)
    this.#await(life.broker.die().then(() => life.runtime.kill()))
    if (next === 'other') this.#world.other(this.name).start()
    if (next.startsWith('same')) this.start({ wiped: next === 'same-wiped' })
  }

  crashAt(trap: Trap): void {
    if (this.#life) this.#trap = trap
  }

  /** Removed from the group, and told so. */
  evict(fates: Fates): void {
    const broker = this.#member
    if (!broker) return
    this.#world.trace(`${this.name} is removed from the group`)
    this.#world.index.fates = fates
    this.#await(broker.evict())
  }

  /** Goes on working for a while without hearing of its group. */
  cutOff(fates: Fates, forMs: number): void {
    const broker = this.#member
    if (!broker) return
    this.#world.trace(`${this.name} does not reach the coordinator for ${forMs} ms`)
    this.#world.index.fates = fates
    broker.cutOff(forMs)
  }

  heal(): void {
    this.#trap = undefined
    this.isStalled = false
  }

  /** What it sees of the broker, if it is a member that can be removed. */
  get #member(): HeldBroker | undefined {
    const { runtime, broker } = this.#life ?? {}
    const isUp = runtime?.state === 'running' || runtime?.state === 'rebalancing'
    return isUp && broker?.isReachable ? broker : undefined
  }

  async #reached(point: Failpoint): Promise<void> {
    const trap = this.#trap
    if (trap?.point !== point) return
    this.#world.trace(`${this.name} is at ${point}`)
    void this.crash(trap.fates, trap.next)
    throw new Error(`crash at ${point}`)
  }

  #ended(life: Life): void {
    this.#world.trace(`${this.name} has ended`)
    if (this.#life === life) this.#life = undefined
  }

  #await(end: Promise<void>): void {
    const settled = end.catch(() => undefined)
    this.#ends.add(settled)
    void settled.then(() => this.#ends.delete(settled))
  }
}

/** One process. */
class Life {
  readonly broker: HeldBroker
  readonly runtime: StreamRuntime
  readonly folder: string
  readonly #client: IndexClient

  constructor(
    name: string,
    world: World,
    { folder, failpoint }: { readonly folder: string; readonly failpoint: (point: Failpoint) => Promise<void> },
  ) {
    this.folder = folder
    this.#client = new IndexClient(name, world.index)
    this.broker = new HeldBroker(name, world.broker, world.controls)
    this.runtime = new StreamRuntime({
      application,
      topology: world.topology(this.#client),
      broker: this.broker.port,
      clock: world.clock,
      stateDirectory: folder,
      commitIntervalMs: 50,
      processingGuarantee: world.script.guarantee,
      maxOpenGenerations: world.script.maxOpenGenerations,
      closeDeadlineMs: 400,
      sessionTimeoutMs: 1_000,
      rebalanceTimeoutMs: 1_000,
      failpoint: (point) => (this.isDead ? Promise.reject(new Error('dead')) : failpoint(point)),
    })
  }

  get isDead(): boolean {
    return this.#client.isDead
  }

  async start(): Promise<void> {
    await this.broker.open()
    if (!this.isDead) await this.runtime.start()
  }

  die(): void {
    this.#client.die()
  }
}
