import type { IStatefulSet } from 'kubernetes-models/apps/v1/StatefulSet'
import type { IPodSpec } from 'kubernetes-models/v1/PodSpec'
import type { Manifest } from './chart.ts'

type Labels = Readonly<Record<string, string>>

/** What a StatefulSet and a Deployment have in common, and what only a StatefulSet has. */
export interface Workload extends Manifest {
  readonly spec: NonNullable<IStatefulSet['spec']>
}

export interface PodTemplate {
  readonly name: string
  readonly labels: Labels
  readonly annotations: Labels
  readonly spec: IPodSpec
}

/** The one that runs the instances. */
export function workloadOf(manifests: readonly Manifest[]): Workload {
  const found = manifests.filter(isWorkload)
  if (found.length !== 1 || !found[0]) throw new Error(`${found.length} workloads`)
  return found[0]
}

/** The pods of the instances first, then that of `helm test`. */
export function podsOf(manifests: readonly Manifest[]): PodTemplate[] {
  const { metadata, spec } = workloadOf(manifests)
  const { template } = spec
  const instances = { ...template.metadata, name: metadata.name, spec: template.spec }
  return [instances, ...manifests.filter(isPod).map((pod) => ({ ...pod.metadata, spec: pod.spec }))].map(
    ({ name, labels = {}, annotations = {}, spec: podSpec }) => {
      if (podSpec === undefined) throw new Error(`${name} has no spec`)
      return { name, labels, annotations, spec: podSpec }
    },
  )
}

/** Everything that chooses pods by their labels. */
export function selectorsOf(manifests: readonly Manifest[]): { name: string; selector: Labels }[] {
  return manifests.flatMap((manifest) => {
    const selector = selectorIn(manifest)
    return selector ? [{ name: `${manifest.kind} ${manifest.metadata.name}`, selector }] : []
  })
}

export function matches(selector: Labels, labels: Labels = {}): boolean {
  return Object.entries(selector).every(([name, value]) => labels[name] === value)
}

/** The volumes of a pod by name, with those that a StatefulSet gives it. */
export function volumesOf(spec: IPodSpec, workload?: Workload): Map<string, unknown> {
  const claims = (workload?.spec.volumeClaimTemplates ?? []).map(
    (claim) => [claim.metadata?.name ?? '', claim] as const,
  )
  return new Map<string, unknown>([...(spec.volumes ?? []).map((volume) => [volume.name, volume] as const), ...claims])
}

interface Selecting {
  readonly spec?: {
    readonly selector?: Labels | { readonly matchLabels: Labels }
    readonly podSelector?: { matchLabels: Labels }
  }
}

function selectorIn(manifest: Manifest): Labels | undefined {
  const { spec } = manifest as Manifest & Selecting
  const selector = spec?.podSelector ?? spec?.selector
  if (selector === undefined) return undefined
  return typeof selector.matchLabels === 'object' ? selector.matchLabels : (selector as Labels)
}

function isWorkload(manifest: Manifest): manifest is Workload {
  return manifest.kind === 'StatefulSet' || manifest.kind === 'Deployment'
}

function isPod(manifest: Manifest): manifest is Manifest & { readonly spec: IPodSpec } {
  return manifest.kind === 'Pod'
}
