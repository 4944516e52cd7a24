import { execFileSync } from 'node:child_process'
import { globSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import {
  chartFolder,
  features,
  fourAtATime,
  goldenFolder,
  type Manifest,
  manifestsIn,
  onKubernetes,
  runHelm,
  valuesFile,
} from '../support/chart.ts'
import { toolOrSkip } from '../support/ops-tools.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const helm = toolOrSkip('helm') ?? ''
const kubernetesVersions = ['1.28.0', '1.31.4', '1.34.1'] as const

async function rendered(feature: string, kubernetes: string): Promise<string> {
  const parameters = ['--values', valuesFile(feature), '--namespace', 'search', '--kube-version', kubernetes]
  const { code, stdout, stderr } = await runHelm(helm, ['template', 'documents', chartFolder, ...parameters])
  expect({ feature, kubernetes, code, stderr }).toEqual({ feature, kubernetes, code: 0, stderr: '' })
  return stdout
}

/** Dashboards, alerts and programs have tests of their own, and would be most of the text. */
function withoutCopies(text: string): string {
  return text
    .replace(/^( {2}\S+\.(?:json|mjs):) \|[-+]?\n(?: {4}.*\n|\n)+/gm, '$1 "see files"\n')
    .replace(/^ {2}groups:\n(?: {4}.*\n|\n)+/gm, '  groups: []\n')
}

describe.skipIf(!helm)('the chart', () => {
  test.each(features)('makes of %s what the golden says, on each version of Kubernetes', async (feature) => {
    const texts = await fourAtATime(kubernetesVersions, (version) => rendered(feature, version))

    expect(new Set(texts).size).toBe(1)
    await expect(withoutCopies(texts[0] ?? '')).toMatchFileSnapshot(join(goldenFolder, `${feature}.yaml`))
  })

  test('has no golden of a feature that is gone', () => {
    expect(
      readdirSync(goldenFolder)
        .map((file) => basename(file, '.yaml'))
        .toSorted(),
    ).toEqual(features)
  })

  test('passes the strict lint with the values of every feature', async () => {
    const results = await fourAtATime(features, (feature) =>
      runHelm(helm, ['lint', '--strict', chartFolder, ...onKubernetes, '--values', valuesFile(feature)]),
    )

    expect(results.filter(({ code }) => code !== 0).map(({ stdout }) => stdout)).toEqual([])
  })

  test('packages to an archive without the values of its tests', async () => {
    await using folder = await temporaryDirectory()

    const { code, stderr } = await runHelm(helm, ['package', chartFolder, '--destination', folder.path])

    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const [archive = ''] = readdirSync(folder.path)
    expect(archive).toMatch(/^millrace-\d+\.\d+\.\d+\.tgz$/)
    const listed = execFileSync('tar', ['--list', '--file', join(folder.path, archive)], { encoding: 'utf8' })
    expect(listed).toContain('millrace/files/prometheus/alerts.yml\n')
    expect(listed).not.toContain('millrace/ci/')
    const shown = await runHelm(helm, [
      'template',
      'documents',
      join(folder.path, archive),
      ...onKubernetes,
      '--values',
      valuesFile('default'),
    ])
    expect(shown.code).toBe(0)
  })

  test('refuses a Kubernetes that is too old', async () => {
    const parameters = ['template', 'x', chartFolder, '--values', valuesFile('default'), '--kube-version', '1.27.9']

    const { code, stderr } = await runHelm(helm, parameters)

    expect(code).toBe(1)
    expect(stderr).toContain('requires kubeVersion: >=1.28.0-0')
  })

  test('carries every dashboard as it is, for the sidecar to find', async () => {
    const manifests = manifestsIn(await rendered('monitoring', '1.31.4'))

    const carried = manifests.filter(({ metadata }) => metadata.labels?.grafana_dashboard === '1')
    const files = globSync('*.json', { cwd: 'deploy/grafana' }).sort()
    expect(carried.map(({ data = {} }) => Object.keys(data))).toEqual(files.map((file) => [file]))
    for (const { data = {} } of carried) {
      for (const [file, text] of Object.entries(data))
        expect(text).toBe(readFileSync(join('deploy/grafana', file), 'utf8'))
    }
  })

  test('carries every alert but those that are left out, with runbooks where they are read', async () => {
    const source: Alerts = parse(readFileSync('deploy/prometheus/alerts.yml', 'utf8'))
    const manifests = manifestsIn(await rendered('monitoring', '1.31.4'))

    const carried = manifests.find(({ kind }) => kind === 'PrometheusRule') as Manifest & { readonly spec: Alerts }
    const wanted = source.groups.map(({ rules, ...group }) => ({
      ...group,
      rules: rules.filter(({ alert }) => alert !== 'MillraceMemoryNearLimit').map(withPublicRunbook),
    }))
    expect(carried.spec.groups).toEqual(wanted)
  })
})

interface Alert {
  readonly alert: string
  readonly annotations: Readonly<Record<string, string>>
}

interface Alerts {
  readonly groups: readonly { readonly name: string; readonly rules: readonly Alert[] }[]
}

function withPublicRunbook(alert: Alert): Alert {
  const { runbook_url = '' } = alert.annotations
  return {
    ...alert,
    annotations: { ...alert.annotations, runbook_url: `https://git.example.com/millrace/${runbook_url}` },
  }
}
