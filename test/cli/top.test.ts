import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { parseExposition } from '../../src/cli/top/exposition.ts'
import { frameOf } from '../../src/cli/top/frame.ts'
import { type InstanceSample, instanceUrl, sampleOf } from '../../src/cli/top/instance-sample.ts'
import { viewOf } from '../../src/cli/top/instance-view.ts'
import { Screen } from '../../src/cli/top/screen.ts'
import { systemClock } from '../../src/clock.ts'
import { serveOperations } from '../../src/serve/operations.ts'
import { RuntimeMetrics } from '../../src/serve/runtime-metrics.ts'
import { millrace } from '../support/command-line.ts'
import { pass, plainTopologyTo, runningIn } from '../support/instance.ts'
import { RecordingSink } from '../support/recording-sink.ts'
import { ScriptedGroup } from '../support/scripted-group.ts'

const url = 'http://127.0.0.1:9464'

/** What an instance said, without the prefix; `at` in seconds. */
function sample(at: number, lines: string, readiness = { ok: true, reason: '2 tasks' }): InstanceSample {
  return { url, at: at * 1_000, series: parseExposition(lines), readiness }
}

const still = `
build_info{version="0.1.0",node="v24",application="docs"} 1
client_state{state="starting"} 0
client_state{state="running"} 1
model_info{node="vectors",model="all-MiniLM-L6-v2",device="cpu"} 1
embed_waiting_documents{node="vectors"} 12
batch_padding_ratio{node="vectors"} 0.034
tasks{kind="standby",state="following"} 2
standby_lag_records{task="0_7"} 40
standby_lag_records{task="0_9"} 2
newest_change_timestamp_seconds{index="qdrant:documents"} 996`

const before = sample(
  1_000,
  `${still}
task_state{task="0_0",state="running"} 1
task_state{task="0_1",state="restoring"} 1
records_processed_total{task="0_0"} 100
restore_records_total{task="0_1",store="changes"} 1000
restore_remaining_records{task="0_1",store="changes"} 9000
embed_texts_total{node="vectors"} 1000
embed_tokens_total{node="vectors"} 50000
batch_texts_sum{node="vectors"} 1000
batch_texts_count{node="vectors"} 100
batch_duration_seconds_sum{node="vectors"} 20
batch_duration_seconds_count{node="vectors"} 100
sink_operations_total{index="qdrant:documents",op="upsert"} 900
sink_requests_total{index="qdrant:documents",result="failed"} 0
freshness_seconds_bucket{le="1",index="qdrant:documents"} 900
freshness_seconds_bucket{le="2",index="qdrant:documents"} 900
freshness_seconds_bucket{le="+Inf",index="qdrant:documents"} 900
dead_letters_total{node="chunks",code="RECORD_FAILED"} 0
dead_letters_total{node="index",code="INDEX_REJECTED"} 3
record_retries_total{node="vectors",code="EMBED_FAILED"} 0`,
)
const after = sample(
  1_002,
  `${still}
task_state{task="0_0",state="running"} 1
task_state{task="0_1",state="restoring"} 1
records_processed_total{task="0_0"} 125
consumer_lag_records{topic="documents",partition="0",task="0_0"} 1200
consumer_lag_records{topic="links",partition="0",task="0_0"} 4
consumer_lag_seconds{topic="documents",partition="0",task="0_0"} 12.4
consumer_lag_seconds{topic="links",partition="0",task="0_0"} 1
in_flight_records{task="0_0"} 37
uncommitted_age_seconds{task="0_0"} 0.8
restore_records_total{task="0_1",store="changes"} 2500
restore_remaining_records{task="0_1",store="changes"} 7500
embed_texts_total{node="vectors"} 1312
embed_tokens_total{node="vectors"} 66000
batch_texts_sum{node="vectors"} 1312
batch_texts_count{node="vectors"} 110
batch_duration_seconds_sum{node="vectors"} 21
batch_duration_seconds_count{node="vectors"} 110
sink_operations_total{index="qdrant:documents",op="upsert"} 1320
sink_requests_total{index="qdrant:documents",result="failed"} 0
freshness_seconds_bucket{le="1",index="qdrant:documents"} 900
freshness_seconds_bucket{le="2",index="qdrant:documents"} 1000
freshness_seconds_bucket{le="+Inf",index="qdrant:documents"} 1000
dead_letters_total{node="chunks",code="RECORD_FAILED"} 2
dead_letters_total{node="index",code="INDEX_REJECTED"} 3
record_retries_total{node="vectors",code="EMBED_FAILED"} 0`,
  { ok: false, reason: 'restoring 0_1 (1 tasks)' },
)

const textOf = (views: Parameters<typeof frameOf>[0], width = 80, maxTasks?: number) =>
  frameOf(views, { width, maxTasks }).map(({ text }) => text)

describe('a frame of `top`', () => {
  test('shows tasks, lag, restore, batches, freshness and dead letters in 80 columns', () => {
    const frame = textOf([viewOf(after, before)])

    expect(frame).toEqual([
      'http://127.0.0.1:9464  docs 0.1.0  running',
      '  not ready: restoring 0_1 (1 tasks)',
      '  12.5 records/s   lag 1,204 records, 12 s   2 tasks   2 standbys, 42 behind',
      '  task      state              lag    behind in flight uncommitted records/s',
      '  0_0       running          1,204      12 s        37      800 ms      12.5',
      '  0_1       restoring  [####------------] 2,500/10,000  10 s left  750/s',
      '  vectors: 156 texts/s  31.2 a batch  12 documents wait  8,000 tokens/s  cpu, a~',
      '  qdrant:documents: newest 6 s ago  fresh in p50 1.5 s, p95 1.9 s  210 writes/s',
      '  dead letters: index INDEX_REJECTED 3; chunks RECORD_FAILED 2 (+2)',
    ])
    expect(Math.max(...frame.map((line) => line.length))).toBeLessThanOrEqual(80)
  })

  test('of the first look has no rates, and freshness since the start', () => {
    const frame = textOf([viewOf(before)])

    expect(frame).toEqual([
      'http://127.0.0.1:9464  docs 0.1.0  running',
      '  - records/s   lag -   2 tasks   2 standbys, 42 behind',
      '  task      state              lag    behind in flight uncommitted records/s',
      '  0_0       running              -         -         -           -         -',
      '  0_1       restoring  [#---------------] 1,000/10,000',
      '  vectors: - texts/s  10 a batch  12 documents wait  - tokens/s  cpu, all-MiniL~',
      '  qdrant:documents: newest 4 s ago  fresh in p50 500 ms, p95 950 ms  - writes/s',
      '  dead letters: index INDEX_REJECTED 3',
    ])
  })

  test('counts anew what an instance that was restarted counts anew', () => {
    const restarted = sample(1_004, 'task_state{task="0_0",state="running"} 1\nrecords_processed_total{task="0_0"} 7')

    const view = viewOf(restarted, after)

    expect(view).toMatchObject({ recordsPerSecond: 3.5 })
  })

  test('shows several instances, and one that does not answer as such', () => {
    const silent = viewOf({ url: 'http://b:1', at: 0, series: [], problem: 'does not answer: ECONNREFUSED' })

    const frame = frameOf([viewOf(sample(0, 'client_state{state="running"} 1')), silent], { width: 40 })

    expect(frame.slice(-2)).toEqual([{ text: '' }, { text: 'http://b:1  does not answer: ECONNREFUS~', tone: 'alarm' }])
  })

  test('with more tasks than there is room for shows those that are behind', () => {
    const tasks = Array.from(
      { length: 50 },
      (_, task) => `task_state{task="0_${task}",state="running"} 1
consumer_lag_records{topic="t",partition="${task}",task="0_${task}"} ${task === 30 ? 900 : task}`,
    )

    const frame = textOf([viewOf(sample(0, tasks.join('\n')))], 80, 2)

    expect(frame.slice(3)).toEqual([
      '  0_30      running            900         -         -           -         -',
      '  0_49      running             49         -         -           -         -',
      '  ... and 48 more with a lag of 48 at most',
    ])
  })

  test('lets no escape sequence of an instance through to the terminal', () => {
    const hostile = viewOf(sample(0, 'dead_letters_total{node="\u001b[2J",code="X"} 1'))

    expect(textOf([hostile]).join()).not.toContain('\u001b')
  })
})

describe('the screen of `top`', () => {
  const shownOn = (output: { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number }) => {
    let text = ''
    {
      using screen = new Screen({ ...output, write: (part) => (text += part) }, { inPlace: true, color: true })
      screen.show([{ text: 'one', tone: 'heading' }, { text: 'two' }])
      screen.show([{ text: 'three', tone: 'alarm' }])
    }
    return text
  }

  test('puts frames over one another on a terminal, and gives the terminal back', () => {
    const text = shownOn({ isTTY: true, columns: 80, rows: 1 })

    expect(text).toBe(
      '\u001b[?1049h\u001b[?25l\u001b[H\u001b[1mone\u001b[0m\u001b[K\u001b[J' +
        '\u001b[H\u001b[31mthree\u001b[0m\u001b[K\u001b[J\u001b[?25h\u001b[?1049l',
    )
  })

  test('is plain text where there is no terminal', () => {
    expect(shownOn({})).toBe('one\ntwo\n\nthree\n')
  })
})

test('the text format of Prometheus is read with its escapes, and what is none is passed over', () => {
  const text = '# HELP a b\na{x="1 \\"2\\" {3},\\\\4\\n5",y=""} 1e3 1700000000\nb +Inf\n<html>\nc{x="1"} none\n'

  expect(parseExposition(text)).toEqual([
    { name: 'a', labels: { x: '1 "2" {3},\\4\n5', y: '' }, value: 1000 },
    { name: 'b', labels: {}, value: Number.POSITIVE_INFINITY },
  ])
})

describe('the address of an instance', () => {
  test.each([
    ['127.0.0.1:9464', 'http://127.0.0.1:9464'],
    ['http://millrace-0.millrace:9464/metrics', 'http://millrace-0.millrace:9464'],
    ['https://[::1]:9464/', 'https://[::1]:9464'],
  ])('may be %s', (text, expected) => {
    expect(instanceUrl(text)).toBe(expected)
  })

  test.each(['', 'http://', 'host:port', 'http://a/other', 'http://user:secret@a:1'])('may not be "%s"', (text) => {
    expect(() => instanceUrl(text)).toThrow('host:port')
  })
})

/** Nobody listens there any more. */
async function closedPort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return `http://127.0.0.1:${port}`
}

describe('top --once', () => {
  test('prints one frame of a live instance and of a port where nobody listens', async () => {
    const topology = plainTopologyTo(new RecordingSink())
    const metrics = new RuntimeMetrics({ topology, application: 'app' })
    await using group = await ScriptedGroup.open()
    await using instance = await runningIn(group, { topology, observer: metrics })
    await pass(group.clock, 6_000, 1_000)
    await using server = await serveOperations({ runtime: instance, metrics, port: 0 })
    const silent = await closedPort()

    const { code, stdout, stderr } = await millrace(['top', server.url, silent, '--once', '--interval', '0.1'])

    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const lines = stdout.split('\n')
    expect(lines[0]).toMatch(/^millrace top {2}\d\d:\d\d:\d\d UTC {2}1 of 2 instances answer {2}every 0\.1 s$/)
    expect(lines[1]).toMatch(new RegExp(`^${server.url} {2}app \\S+ {2}running$`))
    expect(stdout).toMatch(/^ {2}0_0 +running +0 +0 ms +0 +0 ms +0$/m)
    expect(stdout).toMatch(new RegExp(`^${silent}  does not answer: .*ECONNREFUSED`, 'm'))
    await instance.kill()
  })

  test('says with --json, and with its exit code, that no instance answers', async () => {
    const silent = await closedPort()

    const { code, stdout } = await millrace(['top', silent, '--once', '--interval', '0.1', '--json'])

    expect(code).toBe(1)
    expect(JSON.parse(stdout).instances).toEqual([{ url: silent, problem: expect.stringContaining('ECONNREFUSED') }])
  })

  test('refuses an interval that is none', async () => {
    const { code, stderr } = await millrace(['top', '--interval', '0'])

    expect(code).toBe(2)
    expect(stderr).toContain('from 0.1 to 3600')
  })
})

test('a port that serves something else is told from an instance', async () => {
  const other = createServer((_, response) => response.end('up 1\n')).listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo

  const { problem } = await sampleOf(`http://127.0.0.1:${port}`, systemClock)

  expect(problem).toBe('answers, but not with metrics of Millrace')
  other.close()
})
