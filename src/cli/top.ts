import { Command, InvalidArgumentError } from 'commander'
import { delay, systemClock } from '../clock.ts'
import { StopSignals } from './stop-signals.ts'
import { type FrameLine, frameOf } from './top/frame.ts'
import { type InstanceSample, instanceUrl, sampleOf } from './top/instance-sample.ts'
import { type InstanceView, viewOf } from './top/instance-view.ts'
import { Screen } from './top/screen.ts'

interface TopOptions {
  readonly interval: number
  readonly once?: true
  readonly json?: true
}

const defaultUrl = 'http://127.0.0.1:9464'

export function topCommand(): Command {
  return new Command('top')
    .description('Watch running instances: tasks, lag, restores, batches, freshness, dead letters and errors.')
    .argument('[url...]', `ports of /metrics, host:port or http://host:port (default: ${defaultUrl})`, collectUrl)
    .option('--interval <seconds>', 'how often to look', intervalSeconds, 2)
    .option('--once', 'look twice, an interval apart, because rates need two looks; print one frame, and end')
    .option('--json', 'a line of JSON for each look')
    .action(top)
}

async function top(given: readonly string[], options: TopOptions): Promise<void> {
  using stop = new StopSignals()
  const { once = false, json = false, interval } = options
  using screen = new Screen(process.stdout, { inPlace: !once && !json })
  const urls = [...new Set(given.length > 0 ? given : [defaultUrl])]
  for await (const look of looksAt(urls, interval * 1_000, stop.signal)) {
    if (once && look.number === 1) continue
    if (json) process.stdout.write(lineOf(look))
    else screen.show(linesOf(look, interval, screen))
    if (!once) continue
    if (look.views.every(isSilent)) process.exitCode = 1
    return
  }
}

interface Look {
  /** 1 for the first. */
  readonly number: number
  readonly at: number
  readonly views: readonly InstanceView[]
}

/** Looks at all instances together, again and again until the signal aborts. */
async function* looksAt(urls: readonly string[], intervalMs: number, signal: AbortSignal): AsyncGenerator<Look> {
  let before: readonly InstanceSample[] = []
  for (let number = 1; !signal.aborted; number++) {
    const at = systemClock.now()
    const samples = await Promise.all(urls.map((url) => sampleOf(url, systemClock)))
    // In the order of the addresses, as before.
    yield { number, at, views: samples.map((sample, place) => viewOf(sample, before[place])) }
    before = samples
    const pauseMs = Math.max(0, at + intervalMs - systemClock.now())
    await delay(systemClock, pauseMs, signal).catch(() => undefined)
  }
}

function isSilent(view: InstanceView): boolean {
  return 'problem' in view
}

function lineOf({ at, views }: Look): string {
  return `${JSON.stringify({ at: new Date(at).toISOString(), instances: views })}\n`
}

/** Of an instance, besides its tasks. */
const otherLines = 8

function linesOf({ at, views }: Look, interval: number, { width, height }: Screen): readonly FrameLine[] {
  const answering = views.filter((view) => !isSilent(view)).length
  const time = new Date(at).toISOString().slice(11, 19)
  const text = `millrace top  ${time} UTC  ${answering} of ${views.length} instances answer  every ${interval} s`
  const maxTasks = Math.max(1, Math.floor((height - 2) / views.length) - otherLines)
  return [{ text: text.slice(0, width), tone: 'heading' }, ...frameOf(views, { width, maxTasks })]
}

function collectUrl(text: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, instanceUrl(text)]
}

const shortestSeconds = 0.1
const longestSeconds = 3_600

function intervalSeconds(text: string): number {
  const seconds = Number(text)
  if (!(seconds >= shortestSeconds && seconds <= longestSeconds))
    throw new InvalidArgumentError(`It must be seconds, from ${shortestSeconds} to ${longestSeconds}.`)
  return seconds
}
