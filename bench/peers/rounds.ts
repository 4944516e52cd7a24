import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** Something that reads all records of a topic, from the beginning each time. */
export interface Round {
  /** Of its own for each round: a group that has read nothing yet. */
  readonly application: string
  readonly input: string
  /** Empty. */
  readonly output: string
  readonly records: number
}

/** Milliseconds from the first record until everything is committed and closed. */
export interface RoundTime {
  readonly wallMs: number
  /** Of all threads of the process. */
  readonly cpuMs: number
}

/** A process of its own, one for all rounds, so that each is warm. */
export interface Peer extends Disposable {
  run(round: Round): Promise<RoundTime>
}

/** A program of ours, which calls `answerRounds`. */
export function forkedPeer(program: URL, parameters: readonly string[]): Peer {
  const child = fork(program, parameters, { execArgv: ['--max-semi-space-size=16'] })
  return {
    run: async (round) => {
      child.send(round)
      const [time] = await orEnd(child, once(child, 'message'))
      return time as RoundTime
    },
    [Symbol.dispose]: () => void child.kill('SIGKILL'),
  }
}

export function answerRounds(run: (round: Round) => Promise<RoundTime>): void {
  process.on('message', async (round: Round) => {
    process.send?.(await run(round))
  })
}

/** A program in Java, one file of source, which gets a round on a line and answers on another. */
export function javaPeer(classPath: string, parameters: readonly string[]): Peer {
  const child = spawn('java', ['-cp', classPath, ...parameters], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })
  return {
    run: async ({ application, input, output, records }) => {
      child.stdin.write(`${application} ${input} ${output} ${records}\n`)
      const [line] = await orEnd(child, once(lines, 'line'))
      const [wallMs = Number.NaN, cpuMs = Number.NaN] = String(line).split(' ').map(Number)
      return { wallMs, cpuMs }
    },
    [Symbol.dispose]: () => void child.kill('SIGKILL'),
  }
}

async function orEnd<T>(child: ChildProcess, answer: Promise<T>): Promise<T> {
  const ended = new AbortController()
  const end = once(child, 'exit', { signal: ended.signal }).then(([code, signal]) => {
    throw new Error(`a process that was to be measured ended with ${code ?? signal}`)
  })
  try {
    return await Promise.race([answer, end])
  } finally {
    ended.abort()
    end.catch(() => undefined)
  }
}

/** Measures from the first call of `begin`. */
export class Stopwatch {
  #startedAt: number | undefined
  #cpu = process.cpuUsage()

  begin(): void {
    if (this.#startedAt !== undefined) return
    this.#startedAt = performance.now()
    this.#cpu = process.cpuUsage()
  }

  read(): RoundTime {
    const { user, system } = process.cpuUsage(this.#cpu)
    return { wallMs: performance.now() - (this.#startedAt ?? Number.NaN), cpuMs: (user + system) / 1000 }
  }
}
