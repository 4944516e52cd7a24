import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { alerts } from '../../scripts/monitoring/alerts.ts'
import { root } from '../../scripts/monitoring/main.ts'
import { RuntimeMetrics } from '../../src/serve/runtime-metrics.ts'
import { plainTopologyTo, runningIn } from '../support/instance.ts'
import { toolOrSkip } from '../support/ops-tools.ts'
import { RecordingSink } from '../support/recording-sink.ts'
import { ScriptedGroup } from '../support/scripted-group.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { type AlertCase, alertCases } from './alert-cases.ts'

const promtool = toolOrSkip('promtool') ?? ''
const rules = join(root, 'deploy', 'prometheus', 'alerts.yml')

/** Standard error and output of promtool, and whether it was content. */
async function run(...parameters: string[]): Promise<{ readonly ok: boolean; readonly said: string }> {
  try {
    const { stdout, stderr } = await promisify(execFile)(promtool, parameters)
    return { ok: true, said: `${stdout}${stderr}` }
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string }
    return { ok: false, said: `${stdout}${stderr}` }
  }
}

describe.skipIf(promtool === '')('promtool', () => {
  test('takes the alerts', async () => {
    expect(await run('check', 'rules', rules)).toMatchObject({ ok: true })
  })

  test('has nothing against the metrics of an instance', async () => {
    const topology = plainTopologyTo(new RecordingSink())
    await using group = await ScriptedGroup.open()
    await using instance = await runningIn(group, { topology })
    const metrics = new RuntimeMetrics({ topology, application: 'app', level: 'debug' })

    const checking = promisify(execFile)(promtool, ['check', 'metrics'])
    checking.child.stdin?.end(await metrics.text(instance.view))

    expect(await checking).toEqual({ stdout: '', stderr: '' })
    metrics.close()
  })

  test('sees each alert fire when it should, and stay silent when it should', async () => {
    await using folder = await temporaryDirectory()
    const file = join(folder.path, 'rules-test.json')
    const tests = alertCases.flatMap((one) => [
      firing(one),
      ...(one.orBad ? [firing({ ...one, bad: one.orBad })] : []),
      silent(one),
    ])
    await writeFile(file, JSON.stringify({ rule_files: [rules], evaluation_interval: '1m', tests }))

    const { ok, said } = await run('test', 'rules', file)

    expect(said).not.toContain('FAILED')
    expect(ok).toBe(true)
    expect(alertCases.map(({ alert }) => alert)).toEqual(alerts.map(({ name }) => name))
  })
})

function firing({ alert, bad, labels }: AlertCase) {
  const severity = alerts.find(({ name }) => name === alert)?.severity
  const all = Object.entries({ ...labels, alertname: `Millrace${alert}`, alertstate: 'firing', severity })
  return scenario(alert, bad, [`ALERTS{${all.map(([name, value]) => `${name}="${value}"`).join(', ')}}`])
}

function silent({ alert, good }: AlertCase) {
  return scenario(alert, good, [])
}

function scenario(alert: string, series: AlertCase['bad'], firing: readonly string[]) {
  return {
    interval: '1m',
    input_series: Object.entries(series).map(([name, values]) => ({ series: `millrace_${name}`, values })),
    promql_expr_test: [
      {
        expr: `ALERTS{alertname="Millrace${alert}", alertstate="firing"}`,
        eval_time: '40m',
        exp_samples: firing.map((labels) => ({ labels, value: 1 })),
      },
    ],
  }
}
