import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cacheFolder, mavenJars, missingForJars, once } from './maven-jars.ts'

const run = promisify(execFile)
export const kafkaVersion = '4.3.1'
const loggingVersion = '2.25.4'
const cache = join(cacheFolder, `kafka-${kafkaVersion}`)

/** Warnings go to the captured output; the one line at level INFO that is let through says that the broker is ready. */
const logging = `rootLogger.level = WARN
rootLogger.appenderRef.console.ref = console
logger.ready.name = kafka.server.KafkaRaftServer
logger.ready.level = INFO
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %p %c{1} %m%n
`

/** What a broker process needs, on the local disk. */
export interface KafkaDistribution {
  readonly classPath: string
  readonly loggingFile: string
  /** Formatted once; copying it saves every later broker the start of a second Java. */
  readonly formattedDirectory: string
  /** Class-data archive: written by the first broker that stops in peace, halves the start of the later ones. */
  readonly archive: string
}

/** Undefined when Java (and Maven, unless the jars are cached) can be used; otherwise what is missing. */
export function missingForKafka(): Promise<string | undefined> {
  return missingForJars(cache)
}

/** Fetches the jars with Maven and formats a directory, both once. Throws what Maven or Java said. */
export async function kafkaDistribution(): Promise<KafkaDistribution> {
  const kafka = `org.apache.kafka:kafka_2.13:${kafkaVersion}` as const
  const logger = `org.apache.logging.log4j:log4j-slf4j-impl:${loggingVersion}` as const
  const distribution = {
    classPath: await mavenJars(cache, [kafka, logger]),
    loggingFile: join(cache, 'log4j2.properties'),
    formattedDirectory: join(cache, 'formatted'),
    archive: join(cache, 'classes.jsa'),
  }
  await writeFile(distribution.loggingFile, logging)
  await once(cache, 'formatted', (directory) => format(distribution.classPath, directory))
  return distribution
}

async function format(classPath: string, directory: string): Promise<void> {
  const properties = join(cache, 'format.properties')
  await writeFile(
    properties,
    [
      'process.roles=broker,controller',
      'node.id=1',
      'controller.quorum.voters=1@127.0.0.1:1',
      'controller.listener.names=CONTROLLER',
      'listeners=PLAINTEXT://127.0.0.1:2,CONTROLLER://127.0.0.1:1',
      `log.dirs=${directory}`,
      '',
    ].join('\n'),
  )
  const tool = ['kafka.tools.StorageTool', 'format', '-t', newClusterId(), '-c', properties]
  await run('java', ['-XX:TieredStopAtLevel=1', '-cp', classPath, ...tool], { timeout: 60_000 })
  // A format that went wrong would otherwise be found only by the first broker that uses it.
  await readFile(join(directory, 'meta.properties'))
}

/** A random UUID as Kafka writes it. The tool takes one that begins with `-` for an option: a first byte below 128 is a letter. */
export function newClusterId(random: (size: number) => Buffer = randomBytes): string {
  const bytes = random(16)
  bytes[0] = (bytes[0] ?? 0) & 0x7f
  return bytes.toString('base64url')
}
