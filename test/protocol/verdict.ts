import type { Manifest } from '../../src/model.ts'
import { manifestPoints } from '../../src/operators/manifest/document-points.ts'
import { manifestSerde } from '../../src/operators/manifest/manifest-codec.ts'
import type { KeyValueStore } from '../../src/state/store.ts'
import { pointText } from './held-index.ts'
import { textOf } from './script.ts'
import { application, type Produced, topic, type World } from './world.ts'

/** Everything that is wrong in a world at rest, a line each. */
export async function judge(world: World): Promise<string[]> {
  const letters = await deadLetters(world)
  const changelog = await changelogManifests(world)
  return [
    ...latest(world).flatMap((last) => indexFaults(world, last, isGivenUp(world, last, letters))),
    ...latest(world).flatMap(({ key }) => manifestFaults(world, key, changelog.get(key), 'the changelog')),
    ...latest(world).flatMap(({ key, partition }) =>
      manifestFaults(world, key, storedManifest(world, key, partition), 'the store'),
    ),
  ]
}

function latest(world: World): Produced[] {
  return [...new Map(world.produced.map((produced) => [produced.key, produced])).values()]
}

/** What repeats a version that is still on its way to the index is dropped, and shares its end. */
function isGivenUp(world: World, { key, version }: Produced, letters: ReadonlySet<string>): boolean {
  const versions = world.produced.filter((produced) => produced.key === key)
  const other = versions.findLastIndex((produced) => textOf(produced.version) !== textOf(version))
  return versions.slice(other + 1).some(({ partition, offset }) => letters.has(`${partition}-${offset}`))
}

function indexFaults(world: World, { key, version }: Produced, isDeadLetter: boolean): string[] {
  // Whatever there was is there, and the next version will look.
  if (isDeadLetter) return []
  const wanted = (version?.words ?? []).map((word) => `${word}/${version?.mark}`).sort()
  const found = pointsOf(world, key)
    .map(([, payload]) => pointText(payload))
    .sort()
  if (wanted.join() === found.join()) return []
  return [`the index holds ${found.join(' ') || 'nothing'} of ${key}, and should hold ${wanted.join(' ') || 'nothing'}`]
}

/** A manifest that is not dirty says what the index holds. */
function manifestFaults(world: World, key: string, manifest: Manifest | undefined, where: string): string[] {
  if (manifest?.dirty) return []
  const known = manifest
    ? [...manifestPoints(key, manifest)].map(([id, { payloadHash }]) => `${id} ${payloadHash}`)
    : []
  const held = pointsOf(world, key).map(([id, payload]) => `${id} ${payload._millrace.payload}`)
  if (known.sort().join() === held.sort().join()) return []
  return [
    `the manifest of ${key} in ${where} names ${known.length} points, the index holds ${held.length}, not the same`,
  ]
}

function pointsOf(world: World, key: string) {
  return [...world.index.points].filter(([, payload]) => payload._millrace.doc === key)
}

function storedManifest(world: World, key: string, partition: number): Manifest | undefined {
  for (const instance of world.instances.values()) {
    const task = instance.runtime?.tasks.find(({ id }) => id === `0_${partition}`)
    if (task) return (task.state.view('changes', () => -1) as KeyValueStore<string, Manifest>).get(key)
  }
  throw new Error(`nobody has the task of partition ${partition}`)
}

/** What a restore from the start would give. */
async function changelogManifests(world: World): Promise<Map<string, Manifest>> {
  const manifests = new Map<string, Manifest>()
  for (let partition = 0; partition < world.script.partitions; partition++) {
    const changelog = { topic: `${application}-changes-changelog`, partition }
    for await (const { records } of world.broker.read(changelog, 0)) {
      for (const { key, value } of records) {
        const name = Buffer.from(key ?? []).toString()
        if (value) manifests.set(name, manifestSerde.deserialize(value))
        else manifests.delete(name)
      }
    }
  }
  return manifests
}

/** `partition-offset` of every record that was given up. */
async function deadLetters(world: World): Promise<Set<string>> {
  const places = new Set<string>()
  for await (const { records } of world.broker.read({ topic: `${application}-dead-letter`, partition: 0 }, 0)) {
    for (const { headers } of records) {
      const fact = (name: string) => headers.find(({ key }) => key === `__streams.errors.${name}`)?.value ?? []
      places.add(`${Buffer.from(fact('partition'))}-${Buffer.from(fact('offset'))}`)
    }
  }
  return places
}

/** The log is processed and committed to its end, and nothing is under way any more. */
export async function isAtRest(world: World): Promise<boolean> {
  if (!world.index.isQuiet) return false
  const instances = [...world.instances.values()]
  if (instances.some(({ isSettled }) => !isSettled)) return false
  const runtimes = instances.flatMap(({ runtime }) => runtime ?? [])
  if (runtimes.length === 0 || runtimes.some(({ state }) => state !== 'running')) return false
  const tasks = runtimes.flatMap((runtime) => runtime.tasks)
  if (tasks.length < world.script.partitions || tasks.some((task) => !task.caughtUp || task.recovering)) return false
  const partitions = Array.from({ length: world.script.partitions }, (_, partition) => ({ topic, partition }))
  const ends = await world.broker.offsets(partitions)
  return ends.every(({ partition, latest: end }) => world.committedOffset(partition) === end)
}
