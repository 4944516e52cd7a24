import { expect, test } from 'vitest'
import { RuntimeMetrics } from '../../src/serve/runtime-metrics.ts'
import { plainTopologyTo, runningIn } from '../support/instance.ts'
import { RecordingSink } from '../support/recording-sink.ts'
import { ScriptedGroup } from '../support/scripted-group.ts'

test('metrics tell of each store of a standby how far it is behind, as long as it is followed', async () => {
  const topology = plainTopologyTo(new RecordingSink())
  await using group = await ScriptedGroup.open()
  await using instance = await runningIn(group, { topology })
  const metrics = new RuntimeMetrics({ topology, application: 'app' })
  const lagsOf = async (...standbys: `${number}_${number}`[]) => {
    const text = await metrics.text({ ...instance.view, standbys })
    return text.split('\n').filter((line) => line.startsWith('millrace_standby_lag_records{'))
  }
  metrics.standby({ task: '0_1', lag: 40, lags: new Map(Object.entries({ seen: 40, words: 0 })) })
  metrics.standby({ task: '0_2', lag: 2, lags: new Map(Object.entries({ seen: 2 })) })

  const both = await lagsOf('0_1', '0_2')
  const one = await lagsOf('0_2')
  metrics.close()

  const series = (task: string, store: string, lag: number) =>
    `millrace_standby_lag_records{task="${task}",store="${store}",application="app"} ${lag}`
  expect(both.toSorted()).toEqual([series('0_1', 'seen', 40), series('0_1', 'words', 0), series('0_2', 'seen', 2)])
  expect(one).toEqual([series('0_2', 'seen', 2)])
})
