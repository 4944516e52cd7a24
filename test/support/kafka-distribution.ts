import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const kafkaVersion = '4.3.1'
const loggingVersion = '2.25.4'
const minimumJava = 17
const cache = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), '.cache', `kafka-${kafkaVersion}`)

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>millrace</groupId>
  <artifactId>local-kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${kafkaVersion}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>${loggingVersion}</version></dependency>
  </dependencies>
</project>
`

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
export async function missingForKafka(): Promise<string | undefined> {
  const java = await javaVersion()
  if (java === undefined) return 'Java is missing'
  if (java < minimumJava) return `Java ${java} is older than ${minimumJava}`
  if (existsSync(join(cache, 'libs'))) return undefined
  const maven = await run('mvn', ['-v'], { timeout: 30_000 }).catch(() => undefined)
  return maven ? undefined : 'Maven is missing'
}

/** Fetches the jars with Maven and formats a directory, both once. Throws what Maven or Java said. */
export async function kafkaDistribution(): Promise<KafkaDistribution> {
  await mkdir(cache, { recursive: true })
  await once('libs', fetchJars)
  const distribution = {
    classPath: join(cache, 'libs', '*'),
    loggingFile: join(cache, 'log4j2.properties'),
    formattedDirectory: join(cache, 'formatted'),
    archive: join(cache, 'classes.jsa'),
  }
  await writeFile(distribution.loggingFile, logging)
  await once('formatted', (directory) => format(distribution.classPath, directory))
  return distribution
}

/**
 * Makes `name` in the cache unless it is there. It is built beside its place and moved, so that two test runs that start together, or
 * one that is interrupted, leave nothing half done.
 */
async function once(name: string, make: (directory: string) => Promise<void>): Promise<void> {
  const place = join(cache, name)
  if (existsSync(place)) return
  const building = await mkdtemp(join(cache, `${name}-`))
  try {
    await make(building)
    await rename(building, place).catch((error) => {
      if (!existsSync(place)) throw error
    })
  } finally {
    await rm(building, { recursive: true, force: true })
  }
}

async function fetchJars(directory: string): Promise<void> {
  const pomFile = join(cache, 'pom.xml')
  await writeFile(pomFile, pom)
  const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${directory}`]
  await run('mvn', ['-q', '-B', '-f', pomFile, ...goal], { timeout: 600_000 })
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

async function javaVersion(): Promise<number | undefined> {
  // Java prints its version to the error stream: `openjdk version "17.0.15"`; before Java 9 it was `1.8.0`.
  const output = await run('java', ['-version'], { timeout: 30_000 }).catch(() => undefined)
  const match = /version "(?:1\.)?(\d+)/.exec(output?.stderr ?? '')
  return match ? Number(match[1]) : undefined
}
