import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type KafkaDistribution, kafkaDistribution } from './kafka-distribution.ts'

const startTimeoutMs = 60_000
const stopTimeoutMs = 15_000
const keptLines = 60

export interface KafkaServerOptions {
  /** Default: a free one. */
  readonly port?: number
  /** Kept when the server stops. Default: a temporary directory that goes with it. */
  readonly directory?: string
  /** Settings in Kafka's names, over the ones for quick tests. */
  readonly settings?: Readonly<Record<string, string>>
}

/** Short timeouts and one partition for each internal topic, so that tests need not wait for defaults made for data centres. */
const quickSettings: Readonly<Record<string, string>> = {
  'auto.create.topics.enable': 'false',
  'offsets.topic.replication.factor': '1',
  'offsets.topic.num.partitions': '1',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'transaction.state.log.num.partitions': '1',
  'share.coordinator.state.topic.replication.factor': '1',
  'share.coordinator.state.topic.min.isr': '1',
  'group.initial.rebalance.delay.ms': '0',
  'group.min.session.timeout.ms': '1000',
  'broker.session.timeout.ms': '1500',
  'broker.heartbeat.interval.ms': '300',
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': '1000',
  'log.cleaner.backoff.ms': '1000',
  'log.initial.task.delay.ms': '1000',
  // Records of tests are as old as the tests want: those of a week ago would be deleted when the broker happens to look.
  'log.retention.ms': '-1',
  'log.cleaner.dedupe.buffer.size': '4194304',
  'num.io.threads': '2',
  'num.network.threads': '2',
}

/**
 * One Kafka broker (KRaft, combined roles) as a child process of this one, for tests and developers.
 *
 * @example
 * await using kafka = await KafkaServer.start()
 * const broker = kafkaBroker({ brokers: [kafka.address] })
 */
export class KafkaServer implements AsyncDisposable {
  readonly address: string
  readonly directory: string
  readonly #distribution: KafkaDistribution
  readonly #properties: string
  readonly #isTemporary: boolean
  readonly #output: string[] = []
  #process: ChildProcess | undefined
  #ended: Promise<void> = Promise.resolve()

  private constructor(
    distribution: KafkaDistribution,
    place: { address: string; directory: string; properties: string; isTemporary: boolean },
  ) {
    this.#distribution = distribution
    this.address = place.address
    this.directory = place.directory
    this.#properties = place.properties
    this.#isTemporary = place.isTemporary
  }

  static async start(options: KafkaServerOptions = {}): Promise<KafkaServer> {
    const distribution = await kafkaDistribution()
    const [port = 0, controllerPort = 0] = await freePorts(2, options.port)
    const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'millrace-kafka-')))
    if (!existsSync(join(directory, 'meta.properties')))
      await cp(distribution.formattedDirectory, directory, { recursive: true })
    const properties = join(directory, 'server.properties')
    const settings = {
      ...quickSettings,
      ...addresses(port, controllerPort),
      'log.dirs': directory,
      ...options.settings,
    }
    await writeFile(
      properties,
      Object.entries(settings)
        .map((entry) => `${entry.join('=')}\n`)
        .join(''),
    )
    const server = new KafkaServer(distribution, {
      address: `127.0.0.1:${port}`,
      directory,
      properties,
      isTemporary: options.directory === undefined,
    })
    await server.#launch()
    return server
  }

  /** What the broker printed last, for the message of a failed test. */
  get output(): string {
    return this.#output.join('\n')
  }

  get isRunning(): boolean {
    return this.#process?.exitCode === null && this.#process.signalCode === null
  }

  /** Asks the broker to shut down, and waits until it has. */
  async stop(): Promise<void> {
    const timer = setTimeout(() => this.#process?.kill('SIGKILL'), stopTimeoutMs)
    this.#process?.kill('SIGTERM')
    await this.#ended
    clearTimeout(timer)
  }

  /** Ends the broker as a power failure would. */
  async kill(): Promise<void> {
    this.#process?.kill('SIGKILL')
    await this.#ended
  }

  /** Starts the stopped or killed broker again: same address, same data. */
  async restart(): Promise<void> {
    await this.kill()
    await this.#launch()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    if (this.#isTemporary) await rm(this.directory, { recursive: true, force: true, maxRetries: 3 })
  }

  async #launch(): Promise<void> {
    const { classPath, loggingFile, archive } = this.#distribution
    const building = `${archive}.${process.pid}`
    const classData = existsSync(archive) ? `-XX:SharedArchiveFile=${archive}` : `-XX:ArchiveClassesAtExit=${building}`
    const child = spawn(
      'java',
      [
        ...[
          '-Xms64m',
          '-Xmx512m',
          '-XX:TieredStopAtLevel=1',
          '-XX:+UseSerialGC',
          '-Xlog:disable',
          '-Xlog:all=error:stderr',
        ],
        ...[classData, `-Dlog4j2.configurationFile=${loggingFile}`, '-cp', classPath, 'kafka.Kafka', this.#properties],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    )
    // A test run that ends in a hurry must not leave a broker behind.
    const onExit = () => child.kill('SIGKILL')
    process.once('exit', onExit)
    this.#process = child
    this.#ended = new Promise((resolve) => {
      child.once('close', () => {
        process.off('exit', onExit)
        rename(building, archive).then(resolve, () => resolve())
      })
    })
    await this.#ready(child)
  }

  #ready(child: ChildProcess): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const fail = (fact: string) => reject(new Error(`Kafka at ${this.address} ${fact}:\n${this.output}`))
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      fail(`was not ready after ${startTimeoutMs / 1000} s`)
    }, startTimeoutMs)
    const onLine = (line: string) => {
      this.#output.push(line)
      if (this.#output.length > keptLines) this.#output.shift()
      if (line.includes('Kafka Server started')) resolve()
    }
    for (const stream of [child.stdout, child.stderr]) onEachLine(stream, onLine)
    child.once('error', (error) => fail(`did not start: ${error.message}`))
    child.once('exit', (code, signal) => fail(`ended with ${signal ?? code} before it was ready`))
    return promise.finally(() => clearTimeout(timer))
  }
}

function onEachLine(stream: NodeJS.ReadableStream | null, onLine: (line: string) => void): void {
  let rest = ''
  stream?.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) onLine(line)
  })
}

function addresses(port: number, controllerPort: number): Record<string, string> {
  return {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    'controller.listener.names': 'CONTROLLER',
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
  }
}

/** Ports that were free a moment ago, the first of them as wanted; all are held while they are chosen, so they differ. */
export async function freePorts(count: number, first = 0): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = await Promise.all(
    servers.map(
      (server, index) =>
        new Promise<number>((resolve, reject) => {
          server.once('error', reject)
          server.listen(index === 0 ? first : 0, '127.0.0.1', () => {
            const address = server.address()
            resolve(typeof address === 'object' && address ? address.port : 0)
          })
        }),
    ),
  )
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}
