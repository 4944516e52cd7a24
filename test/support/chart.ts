import { execFile } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseAllDocuments } from 'yaml'

export const chartFolder = fileURLToPath(new URL('../../deploy/helm/millrace', import.meta.url))
export const goldenFolder = fileURLToPath(new URL('../../deploy/helm/goldens', import.meta.url))

/** An object as the chart makes it, before anything is known about its kind. */
export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly data?: Readonly<Record<string, string>>
}

/** What ci/*-values.yaml show, one feature each. */
export const features = globSync('ci/*-values.yaml', { cwd: chartFolder })
  .map((path) => basename(path, '-values.yaml'))
  .sort()

export function valuesFile(feature: string): string {
  return join(chartFolder, 'ci', `${feature}-values.yaml`)
}

/** What the chart makes of the feature's values, as it was checked in. A test holds it equal to what Helm says. */
export function goldenManifests(feature: string): Manifest[] {
  return manifestsIn(readFileSync(join(goldenFolder, `${feature}.yaml`), 'utf8'))
}

export function manifestsIn(text: string): Manifest[] {
  return parseAllDocuments(text)
    .map((document) => document.toJS() as Manifest | null)
    .filter((manifest) => manifest !== null)
}

export interface HelmResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** What `helm template` and `lint` take a cluster to be: a Helm that Go has installed means a very old one otherwise. */
export const onKubernetes = ['--kube-version', '1.31.4'] as const

/** Runs helm without a cluster and without the settings of whoever runs it. */
export function runHelm(program: string, parameters: readonly string[]): Promise<HelmResult> {
  const env = { PATH: process.env.PATH, HOME: '/nonexistent', KUBECONFIG: '/nonexistent' }
  return new Promise((resolve) => {
    execFile(program, [...parameters], { env, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
      resolve({ code, stdout, stderr })
    })
  })
}

/** Calls `work` for each item, four at a time: Helm takes most of a core for each. */
export async function fourAtATime<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  const queue = items.entries()
  const worker = async () => {
    for (const [index, item] of queue) results[index] = await work(item)
  }
  await Promise.all([worker(), worker(), worker(), worker()])
  return results
}
