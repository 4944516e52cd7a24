import type { TopicPartition } from '../../src/runtime/broker.ts'
import { type CommandResult, holds, type RunningCommand } from './command-line.ts'

/** Instances of one application, each `millrace run` in a process of its own, that are killed, told to stop and frozen. */
export class InstanceProcesses implements AsyncDisposable {
  readonly #command: (name: string) => RunningCommand
  readonly #running = new Map<string, RunningCommand>()

  constructor(command: (name: string) => RunningCommand) {
    this.#command = command
  }

  /** Resolves when each of them says that it runs. */
  async start(...names: string[]): Promise<void> {
    for (const name of names) this.#running.set(name, this.#command(name))
    await this.hold(() => names.every((name) => this.log(name).includes('the runtime is running')))
  }

  /** What the process has logged so far; it begins anew with each start. */
  log(name: string): string {
    return this.#get(name).log()
  }

  /** Waits until something holds. Throws with all logs when a process has ended that was not told to. */
  hold(condition: () => boolean | Promise<boolean>): Promise<void> {
    return holds(condition, ...this.#running.values())
  }

  /** Ends processes as a power failure would, all at the same moment. */
  async kill(...names: string[]): Promise<void> {
    const killed = names.map((name) => this.#taken(name))
    for (const { child } of killed) child.kill('SIGKILL')
    await Promise.all(killed.map(({ result }) => result))
  }

  /** Asks processes to end in order. */
  async stop(...names: string[]): Promise<CommandResult[]> {
    const stopped = names.map((name) => this.#taken(name))
    for (const { child } of stopped) child.kill('SIGTERM')
    return Promise.all(stopped.map(({ result }) => result))
  }

  /** Lets a process stand still for a time, and longer until `done` has resolved. */
  async freeze(name: string, forMs: number, done: () => Promise<void>): Promise<void> {
    const { child } = this.#get(name)
    child.kill('SIGSTOP')
    try {
      await Promise.all([done(), new Promise((resolve) => setTimeout(resolve, forMs))])
    } finally {
      child.kill('SIGCONT')
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill(...this.#running.keys())
  }

  #get(name: string): RunningCommand {
    const command = this.#running.get(name)
    if (!command) throw new Error(`there is no instance ${name}`)
    return command
  }

  /** From now on it may end. */
  #taken(name: string): RunningCommand {
    const command = this.#get(name)
    this.#running.delete(name)
    return command
  }
}

export const partitionsOf = (topic: string, partitions: number): TopicPartition[] =>
  Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
