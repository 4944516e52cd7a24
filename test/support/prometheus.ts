import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

/** An answer of Prometheus to an instant query. */
export interface QueryAnswer {
  readonly status: 'success' | 'error'
  /** Why it is invalid. */
  readonly error?: string
  readonly data?: { readonly result: readonly unknown[] }
}

/** A Prometheus that scrapes every second. */
export class Prometheus implements AsyncDisposable {
  readonly #url: string
  readonly #child: ChildProcess

  private constructor(url: string, child: ChildProcess) {
    this.#url = url
    this.#child = child
  }

  /** Starts the program in a folder of its own, and waits until it is ready. `targets` are `host:port`. */
  static async start(program: string, folder: string, targets: readonly string[]): Promise<Prometheus> {
    const config = join(folder, 'prometheus.json')
    const job = { job_name: 'millrace', static_configs: [{ targets, labels: { namespace: 'test' } }] }
    await writeFile(config, JSON.stringify({ global: { scrape_interval: '1s' }, scrape_configs: [job] }))
    const address = `127.0.0.1:${await freePort()}`
    const child = spawn(
      program,
      [
        `--config.file=${config}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=${address}`,
        '--log.level=error',
      ],
      { stdio: 'inherit' },
    )
    const prometheus = new Prometheus(`http://${address}`, child)
    await prometheus.#ready()
    return prometheus
  }

  async query(expression: string): Promise<QueryAnswer> {
    const body = new URLSearchParams({ query: expression })
    const answer = await fetch(`${this.#url}/api/v1/query`, { method: 'POST', body })
    return (await answer.json()) as QueryAnswer
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return
    this.#child.kill('SIGKILL')
    await once(this.#child, 'close')
  }

  async #ready(): Promise<void> {
    for (const deadline = Date.now() + 30_000; Date.now() < deadline; await pause(100)) {
      const answer = await fetch(`${this.#url}/-/ready`).catch(() => undefined)
      if (answer?.ok) return
      if (this.#child.exitCode !== null) break
    }
    throw new Error('Prometheus did not become ready')
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (typeof address !== 'object' || address === null) throw new Error('no port is free')
  return address.port
}
