import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ScaledObject } from '@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject'
import { PodMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor'
import { PrometheusRule } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule'
import { Deployment } from 'kubernetes-models/apps/v1/Deployment'
import { StatefulSet } from 'kubernetes-models/apps/v1/StatefulSet'
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler'
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget'
import { ConfigMap } from 'kubernetes-models/v1/ConfigMap'
import { Pod } from 'kubernetes-models/v1/Pod'
import { Service } from 'kubernetes-models/v1/Service'
import { ServiceAccount } from 'kubernetes-models/v1/ServiceAccount'
import { expect, test } from 'vitest'
import { features, goldenManifests, type Manifest } from '../support/chart.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

interface Model {
  readonly apiVersion: string
  readonly kind: string
  new (manifest: never): { validate(): void }
}

const models = {
  'kubernetes-models/apps/v1': [Deployment, StatefulSet],
  'kubernetes-models/autoscaling/v2': [HorizontalPodAutoscaler],
  'kubernetes-models/networking.k8s.io/v1': [NetworkPolicy],
  'kubernetes-models/policy/v1': [PodDisruptionBudget],
  'kubernetes-models/v1': [ConfigMap, Pod, Service, ServiceAccount],
  '@kubernetes-models/keda/keda.sh/v1alpha1': [ScaledObject],
  '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1': [PodMonitor, PrometheusRule],
} as const satisfies Record<string, readonly Model[]>

const known = Object.entries(models).flatMap(([from, list]) => list.map((model: Model) => ({ from, model })))

function modelOf({ apiVersion, kind }: Manifest): { from: string; model: Model } {
  const found = known.find(({ model }) => model.apiVersion === apiVersion && model.kind === kind)
  if (!found) throw new Error(`no model of ${apiVersion} ${kind}`)
  return found
}

test.each(features)('the objects of %s are valid', (feature) => {
  for (const manifest of goldenManifests(feature)) {
    const { model: Kind } = modelOf(manifest)
    expect(() => new Kind(manifest as never).validate(), `${manifest.kind} ${manifest.metadata.name}`).not.toThrow()
  }
})

test('every kind of object that the chart can make is among them', () => {
  const made = features.flatMap((feature) => goldenManifests(feature).map(({ kind }) => kind))
  expect(new Set(made)).toEqual(new Set(known.map(({ model }) => model.kind)))
})

// A validation takes fields for granted that it does not know; the compiler does not.
test('the objects have no field that their types do not have', { timeout: 120_000 }, async () => {
  await using folder = await temporaryDirectory()
  const manifests = features.flatMap((feature) => goldenManifests(feature))

  expect(compile(folder.path, manifests)).toBe('')
})

test('the compiler does find a field that is not there', { timeout: 120_000 }, async () => {
  await using folder = await temporaryDirectory()
  const [service] = goldenManifests('default').filter(({ kind }) => kind === 'Service')
  const misspelt = JSON.parse(JSON.stringify(service).replace('"ports"', '"prots"')) as Manifest

  expect(compile(folder.path, [misspelt])).toContain('prots')
})

/** What tsc says to the objects as literals of their types; empty when nothing. */
function compile(folder: string, manifests: readonly Manifest[]): string {
  const packages = join(process.cwd(), 'node_modules')
  mkdirSync(folder, { recursive: true })
  symlinkSync(packages, join(folder, 'node_modules'))
  const options = {
    module: 'nodenext',
    moduleResolution: 'nodenext',
    strict: true,
    noEmit: true,
    types: [],
    skipLibCheck: true,
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files: ['objects.ts'] }))
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  const imports = known.map(({ from, model }) => `import type { I${model.kind} } from '${from}/${model.kind}'`)
  const distinct = new Set(
    manifests.map((manifest) => `I${modelOf(manifest).model.kind} = ${JSON.stringify(manifest)}`),
  )
  const literals = [...distinct].map((literal, index) => `export const object${index}: ${literal}`)
  writeFileSync(join(folder, 'objects.ts'), [...imports, ...literals].join('\n'))
  try {
    execFileSync(process.execPath, [join(packages, 'typescript', 'bin', 'tsc'), '--project', folder], {
      encoding: 'utf8',
    })
    return ''
  } catch (error) {
    return String((error as { stdout?: string }).stdout)
  }
}
