import { randomUUID } from 'node:crypto'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { kafkaDistribution } from './kafka-distribution.ts'
import { freePorts, KafkaServer } from './kafka-server.ts'

/** Three copies of everything; a write counts when two have it. */
const replicated = {
  'default.replication.factor': '3',
  'min.insync.replicas': '2',
  'offsets.topic.replication.factor': '3',
  'transaction.state.log.replication.factor': '3',
  'transaction.state.log.min.isr': '2',
}

/** Three brokers, each of which may go. */
export class KafkaCluster implements AsyncDisposable {
  readonly servers: readonly KafkaServer[]
  readonly #directory: string

  private constructor(servers: readonly KafkaServer[], directory: string) {
    this.servers = servers
    this.#directory = directory
  }

  static async start(): Promise<KafkaCluster> {
    const directory = await mkdtemp(join(tmpdir(), 'millrace-cluster-'))
    const ports = await freePorts(6)
    const nodes = [1, 2, 3].map((id, index) => ({ id, port: ports[index] ?? 0, controllerPort: ports[index + 3] ?? 0 }))
    const voters = nodes.map(({ id, controllerPort }) => `${id}@127.0.0.1:${controllerPort}`).join(',')
    // None is ready before two of them have found each other.
    const servers = await Promise.all(
      nodes.map(async ({ id, port, controllerPort }) =>
        KafkaServer.start({
          port,
          directory: await formattedDirectory(join(directory, String(id)), id),
          settings: {
            ...replicated,
            'node.id': String(id),
            'controller.quorum.voters': voters,
            listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
          },
        }),
      ),
    )
    return new KafkaCluster(servers, directory)
  }

  get addresses(): string[] {
    return this.servers.map(({ address }) => address)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Without its last partner a broker would wait for one before it stops.
    await Promise.all(this.servers.map((server) => server.kill()))
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** A formatted directory names its node and itself; the cluster's id stays the same. */
async function formattedDirectory(directory: string, id: number): Promise<string> {
  await cp((await kafkaDistribution()).formattedDirectory, directory, { recursive: true })
  const file = join(directory, 'meta.properties')
  const uuid = Buffer.from(randomUUID().replaceAll('-', ''), 'hex').toString('base64url')
  const properties = (await readFile(file, 'utf8'))
    .replace(/^node\.id=.*$/m, `node.id=${id}`)
    .replace(/^directory\.id=.*$/m, `directory.id=${uuid}`)
  await writeFile(file, properties)
  return directory
}
