import type { Clock } from '../../clock.ts'
import type { LoopPhase, RuntimeObserver } from '../observer.ts'
import type { Task } from '../tasks/task.ts'
import type { RecoveryWindows } from './recovery-windows.ts'
import { Wakeup } from './wakeup.ts'

export interface WorkLoopOptions {
  readonly clock: Clock
  /** The tasks that may work now. */
  readonly running: () => readonly Task[]
  readonly windows: RecoveryWindows
  readonly observer: RuntimeObserver
}

/** How long the loop works before it lets the event loop breathe. */
const sliceMs = 5
/** How often a waiter for quiet looks again when nothing happens. */
const quietCheckMs = 100

/** The one loop of an instance: gives every task its turn, sleeps when there is nothing to do. */
export class WorkLoop {
  readonly #options: WorkLoopOptions
  readonly #wakeup: Wakeup
  readonly #quietWaiters: (() => void)[] = []
  #stopped = false
  /** Nothing is taken; what was taken goes on, and is committed. */
  #paused = false
  #busySince: number | undefined
  /** Up to here the time is told. */
  #toldUntil = 0

  constructor(options: WorkLoopOptions) {
    this.#options = options
    this.#wakeup = new Wakeup(options.clock)
  }

  get paused(): boolean {
    return this.#paused
  }

  set paused(paused: boolean) {
    this.#paused = paused
    this.#wakeup.wake()
  }

  /** Since when, on the clock, the present turn goes on; undefined while the loop sleeps, or does not run. */
  get busySince(): number | undefined {
    return this.#busySince
  }

  /** There may be something to do. */
  wake(): void {
    this.#wakeup.wake()
  }

  /** Resolves after `stop`. */
  async run(): Promise<void> {
    const { running, windows, clock } = this.#options
    this.#toldUntil = clock.now()
    for (let turn = 0; !this.#stopped; turn++) {
      this.#busySince = clock.now()
      const worked = this.#workOnce(turn)
      await windows.close(running())
      this.#tell('look')
      if (worked) await this.#breathe()
      else await this.#sleep()
    }
    this.#busySince = undefined
    this.#tellQuiet()
  }

  stop(): void {
    this.#stopped = true
    this.#wakeup.wake()
  }

  /** Resolves when the loop has looked and found nothing to do, or after a moment: a log may end in offsets that are never delivered. */
  async quiet(): Promise<void> {
    if (this.#stopped) return
    this.#options.windows.hurry()
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(quietCheckMs, resolve)
      this.#quietWaiters.push(() => {
        cancel()
        resolve()
      })
    })
  }

  async #breathe(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    this.#tell('other')
  }

  async #sleep(): Promise<void> {
    this.#tellQuiet()
    this.#busySince = undefined
    const phase = this.#options.observer.worked && this.#hasQueued ? 'blocked' : 'idle'
    await this.#wakeup.wait(this.#nextDue())
    this.#tell(phase)
  }

  /** Records are here that no task has taken. */
  get #hasQueued(): boolean {
    return this.#options.running().some(({ view }) => view.queuedBytes > 0)
  }

  /** The time since the last call went into this. */
  #tell(phase: LoopPhase): void {
    const { clock, observer } = this.#options
    if (!observer.worked) return
    const now = clock.now()
    // A clock that was turned back tells nothing.
    observer.worked(phase, Math.max(0, now - this.#toldUntil))
    this.#toldUntil = now
  }

  #tellQuiet(): void {
    for (const resolve of this.#quietWaiters.splice(0)) resolve()
  }

  /** Gives every task a turn; each time another one is the first, so that a busy one does not starve the others. */
  #workOnce(turn: number): boolean {
    const running = this.#options.running()
    const until = this.#options.clock.now() + sliceMs
    let worked = false
    for (let index = 0; !this.#paused && index < running.length; index++) {
      const task = running[(turn + index) % running.length]
      if (task?.run(until)) worked = true
    }
    this.#tell('process')
    for (const task of running) task.maintain()
    this.#tell('maintain')
    return worked
  }

  #nextDue(): number {
    const running = this.#options.running()
    return Math.min(...running.map((task) => task.nextDue), this.#options.windows.nextDue(running))
  }
}
