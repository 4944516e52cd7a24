import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const minimumJava = 17

/** Of this checkout, ignored by git: what is fetched or made once. */
export const cacheFolder = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), '.cache')

/** `group:artifact:version`. */
export type MavenCoordinate = `${string}:${string}:${string}`

/** Undefined when Java (and Maven, unless the jars are in the folder) can be used; otherwise what is missing. */
export async function missingForJars(folder: string): Promise<string | undefined> {
  const java = await javaVersion()
  if (java === undefined) return 'Java is missing'
  if (java < minimumJava) return `Java ${java} is older than ${minimumJava}`
  if (existsSync(join(folder, 'libs'))) return undefined
  const maven = await run('mvn', ['-v'], { timeout: 30_000 }).catch(() => undefined)
  return maven ? undefined : 'Maven is missing'
}

/** Fetches jars and all that they need at run time into `libs` of a folder, once; returns their class path. Throws what Maven said. */
export async function mavenJars(folder: string, dependencies: readonly MavenCoordinate[]): Promise<string> {
  await mkdir(folder, { recursive: true })
  await once(folder, 'libs', async (directory) => {
    const pomFile = join(folder, 'pom.xml')
    await writeFile(pomFile, pomOf(dependencies))
    const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${directory}`]
    await run('mvn', ['-q', '-B', '-f', pomFile, ...goal], { timeout: 600_000 })
  })
  return join(folder, 'libs', '*')
}

/**
 * Makes `name` in a folder unless it is there. It is built beside its place and moved, so that two test runs that start together, or one
 * that is interrupted, leave nothing half done.
 */
export async function once(folder: string, name: string, make: (directory: string) => Promise<void>): Promise<void> {
  const place = join(folder, name)
  if (existsSync(place)) return
  const building = await mkdtemp(join(folder, `${name}-`))
  try {
    await make(building)
    await rename(building, place).catch((error) => {
      if (!existsSync(place)) throw error
    })
  } finally {
    await rm(building, { recursive: true, force: true })
  }
}

function pomOf(dependencies: readonly MavenCoordinate[]): string {
  const listed = dependencies.map((coordinate) => {
    const [group, artifact, version] = coordinate.split(':')
    return `    <dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`
  })
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>millrace</groupId>
  <artifactId>jars</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
${listed.join('\n')}
  </dependencies>
</project>
`
}

async function javaVersion(): Promise<number | undefined> {
  // Java prints its version to the error stream: `openjdk version "17.0.15"`; before Java 9 it was `1.8.0`.
  const output = await run('java', ['-version'], { timeout: 30_000 }).catch(() => undefined)
  const match = /version "(?:1\.)?(\d+)/.exec(output?.stderr ?? '')
  return match ? Number(match[1]) : undefined
}
