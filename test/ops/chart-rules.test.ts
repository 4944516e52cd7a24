import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { IContainer } from 'kubernetes-models/v1/Container'
import type { IPodSpec } from 'kubernetes-models/v1/PodSpec'
import type { IVolumeMount } from 'kubernetes-models/v1/VolumeMount'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { features, goldenManifests, type Manifest, valuesFile } from '../support/chart.ts'
import { matches, podsOf, selectorsOf, volumesOf, workloadOf } from '../support/chart-objects.ts'

/** Read from the goldens, which a test with Helm holds equal to the chart. */
const rendered = features.map((feature) => ({ feature, manifests: goldenManifests(feature) }))

describe.each(rendered)('what the chart makes of $feature', ({ feature, manifests }) => {
  const workload = workloadOf(manifests)
  const pods = podsOf(manifests)

  test('names each object once, in its namespace, with the labels that Kubernetes recommends', () => {
    const own = manifests.filter(({ metadata }) => metadata.labels?.['app.kubernetes.io/managed-by'] === 'Helm')
    const names = manifests.map(({ kind, metadata }) => `${kind} ${metadata.name}`)

    expect(new Set(names).size).toBe(names.length)
    expect(own.length).toBeGreaterThanOrEqual(4)
    for (const { metadata } of own) {
      expect(metadata.name).toMatch(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/)
      expect(metadata.namespace).toBe('search')
      expect(Object.keys(metadata.labels ?? {})).toEqual(
        expect.arrayContaining(['name', 'instance', 'version', 'part-of'].map((label) => `app.kubernetes.io/${label}`)),
      )
    }
  })

  test('selects the instances, and nothing but the instances', () => {
    const [instances, ...others] = pods
    for (const { name, selector } of selectorsOf(manifests)) {
      expect(matches(selector, instances?.labels), `${name} selects the instances`).toBe(true)
      for (const pod of others) expect(matches(selector, pod.labels), `${name} selects ${pod.name}`).toBe(false)
    }
  })

  test('sets requests and limits of CPU and memory in every container', () => {
    for (const container of containersOf(pods)) {
      const { requests = {}, limits = {} } = container.resources ?? {}
      for (const list of [requests, limits]) {
        expect(Object.keys(list), container.name).toEqual(expect.arrayContaining(['cpu', 'memory']))
      }
    }
  })

  test('satisfies the restricted Pod Security Standard', () => {
    for (const { spec } of pods) {
      expect(spec).not.toMatchObject({ hostNetwork: true })
      expect(spec.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
      expect(spec.securityContext?.runAsUser).toBeGreaterThan(10_000)
      expect(spec.automountServiceAccountToken).toBe(false)
      expect((spec.volumes ?? []).filter((volume) => volume.hostPath !== undefined)).toEqual([])
    }
    for (const { securityContext } of containersOf(pods)) {
      expect(securityContext).toMatchObject({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      })
      expect(securityContext?.privileged).toBeUndefined()
      expect(securityContext?.capabilities?.add).toBeUndefined()
    }
  })

  test('points probes, services, monitors and policies at ports that are there', () => {
    const [container] = pods[0]?.spec.containers ?? []
    const ports = (container?.ports ?? []).map(({ name }) => name)
    expect(ports).toEqual(['http'])
    expect(container?.args).toContain(`--port=${container?.ports?.[0]?.containerPort}`)
    expect(container).toMatchObject({
      startupProbe: { httpGet: { path: '/startupz', port: 'http' } },
      livenessProbe: { httpGet: { path: '/livez', port: 'http' } },
      readinessProbe: { httpGet: { path: '/readyz', port: 'http' } },
    })
    const named = JSON.stringify(manifests.filter(({ kind }) => kind !== 'ConfigMap')).matchAll(
      /"(?:port|targetPort)":"(\w+)"/g,
    )
    for (const [, port] of named) expect(ports).toContain(port)
  })

  test('mounts each volume that there is, and nothing into a mount that is read-only', () => {
    for (const { spec, name } of pods) {
      const volumes = volumesOf(spec, name === workload.metadata.name ? workload : undefined)
      const mounts = containersOf([{ spec }]).map(({ volumeMounts = [] }) => volumeMounts)

      expect(new Set(mounts.flat().map((mount) => mount.name))).toEqual(new Set(volumes.keys()))
      expect(mounts.flatMap(mountsInReadOnlyMounts)).toEqual([])
    }
  })

  test('has no secret in it, and none in an environment variable', () => {
    expect(manifests.filter(({ kind }) => kind === 'Secret')).toEqual([])
    for (const { env = [] } of containersOf(pods)) {
      const suspicious = env.filter(({ name, value }) => value && /password|secret|token|api_?key$/i.test(name))
      expect(suspicious).toEqual([])
    }
  })

  test('pins its images', () => {
    for (const { image = '' } of containersOf(pods))
      expect(image).toMatch(/@sha256:[a-f0-9]{64}$|:v?\d+\.\d+\.\d+(-gpu)?$/)
  })

  test('runs the pipeline that was given, as it was given, and starts anew when it changes', () => {
    const given: unknown = parse(readFileSync(valuesFile(feature), 'utf8')).config
    const made = manifests.find(({ data }) => data?.['millrace.yaml'] !== undefined)?.data?.['millrace.yaml']
    if (given === undefined) {
      expect(made).toBeUndefined()
      return
    }
    if (typeof given === 'string') expect(made).toBe(given)
    else expect(parse(made ?? '')).toEqual(given)
    expect(pods[0]?.annotations?.['checksum/config']).toBe(
      createHash('sha256')
        .update(made ?? '')
        .digest('hex'),
    )
  })

  test('leaves the number of instances to the autoscaler where there is one', () => {
    const scaler = manifests.find(({ kind }) => kind === 'ScaledObject' || kind === 'HorizontalPodAutoscaler')
    expect('replicas' in workload.spec).toBe(scaler === undefined)
    if (scaler === undefined) return
    expect(scaler).toMatchObject({
      spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: workload.kind, name: workload.metadata.name } },
    })
  })
})

test('a StatefulSet starts its pods at once and has the service that it names', () => {
  const manifests = goldenManifests('default')
  const { spec } = workloadOf(manifests)

  expect(spec).toMatchObject({ podManagementPolicy: 'Parallel', serviceName: 'documents-millrace' })
  expect(named(manifests, 'Service')).toMatchObject({
    metadata: { name: 'documents-millrace' },
    spec: { clusterIP: 'None' },
  })
  expect(named(manifests, 'PodDisruptionBudget')).toMatchObject({ spec: { maxUnavailable: 1 } })
  expect(podsOf(manifests)[0]?.spec).toMatchObject({
    terminationGracePeriodSeconds: 90,
    securityContext: { fsGroupChangePolicy: 'OnRootMismatch', runAsUser: 65532 },
  })
})

test('KEDA watches each topic of the group that the instances are in, and shrinks slowly', () => {
  const manifests = goldenManifests('keda')

  const trigger = (topic: string) => ({
    type: 'kafka',
    metadata: expect.objectContaining({
      bootstrapServers: 'kafka:9092',
      consumerGroup: 'documents',
      topic,
      lagThreshold: '5000000',
      limitToPartitionsWithLag: 'false',
    }),
    authenticationRef: { name: 'kafka-credentials' },
  })
  expect(named(manifests, 'ScaledObject')).toMatchObject({
    spec: {
      minReplicaCount: 2,
      triggers: [trigger('documents'), trigger('tickets')],
      advanced: {
        horizontalPodAutoscalerConfig: {
          behavior: {
            scaleDown: { stabilizationWindowSeconds: 600, policies: [{ type: 'Pods', value: 1, periodSeconds: 300 }] },
          },
        },
      },
    },
  })
  expect(podsOf(manifests)[0]?.spec.containers[0]?.args).toContain('--application=documents')
})

test('large numbers reach the command line and the pipeline without an exponent', () => {
  const [pod] = podsOf(goldenManifests('settings'))
  expect(pod?.spec.containers[0]?.args).toEqual(
    expect.arrayContaining(['--set=maxInFlightBytes=67108864', '--set=processingGuarantee=exactly_once', '--verbose']),
  )
  const [config] = goldenManifests('default').filter(({ data }) => data?.['millrace.yaml'])
  expect(config?.data?.['millrace.yaml']).toContain('maxInFlightBytes: 67108864\n')
})

test('a GPU is asked for where one is wanted', () => {
  const [pod] = podsOf(goldenManifests('gpu'))
  expect(pod?.spec).toMatchObject({
    runtimeClassName: 'nvidia',
    tolerations: [{ key: 'nvidia.com/gpu', operator: 'Exists', effect: 'NoSchedule' }],
    containers: [{ image: expect.stringMatching(/-gpu$/), resources: { limits: { 'nvidia.com/gpu': 1 } } }],
  })
})

function mountsInReadOnlyMounts(mounts: readonly IVolumeMount[]): string[] {
  const places = mounts.map(({ mountPath }) => mountPath)
  const closed = mounts.filter(({ readOnly }) => readOnly).map(({ mountPath }) => `${mountPath}/`)
  return places.filter((place) => closed.some((around) => place.startsWith(around)))
}

interface WithSpec {
  readonly spec: IPodSpec
}

function containersOf(pods: readonly WithSpec[]): IContainer[] {
  return pods.flatMap(({ spec }) => [...(spec.initContainers ?? []), ...spec.containers])
}

function named(manifests: readonly Manifest[], kind: string): Manifest | undefined {
  return manifests.find((manifest) => manifest.kind === kind)
}
