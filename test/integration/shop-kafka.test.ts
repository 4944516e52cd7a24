import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { kafkaBroker } from '../../src/connectors/kafka/broker.ts'
import type { Broker } from '../../src/runtime/broker.ts'
import { topicsBySubtopology } from '../../src/runtime/group/assignor.ts'
import { startMillrace } from '../support/command-line.ts'
import { InstanceProcesses, partitionsOf } from '../support/instance-processes.ts'
import { kafkaBrokers } from '../support/kafka-target.ts'
import { expectedOutputs } from '../support/shop/expected.ts'
import { shopTopology } from '../support/shop/topology.ts'
import { shopPartitions, Trade } from '../support/shop/trade.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const app = fileURLToPath(new URL('../support/shop/app.ts', import.meta.url))
const eventsAtOnce = 10
const loadEveryMs = 20
/** So many records of each partition of the orders are done before the next thing goes wrong. */
const progress = 20

type Guarantee = 'at_least_once' | 'exactly_once'

interface Place {
  readonly broker: Broker
  readonly folder: string
  readonly guarantee: Guarantee
}

/** A shop with its topics, and the processes that run it. */
async function openShop({ broker, folder, guarantee }: Place) {
  const application = `shop-${randomUUID().slice(0, 8)}`
  const trade = new Trade(broker, application)
  await trade.createTopics()
  const settings = { processingGuarantee: guarantee, sessionTimeoutMs: 2_000, commitIntervalMs: 50 }
  const place = ['--brokers', kafkaBrokers.join(','), '--application', application]
  const set = Object.entries(settings).flatMap(([setting, value]) => ['--set', `${setting}=${value}`])
  const instances = new InstanceProcesses((name) =>
    startMillrace(['run', app, ...place, '--state', join(folder, name), ...set], { env: { SHOP_PREFIX: application } }),
  )
  const read = [...topicsBySubtopology(shopTopology(application), application).values()].flat()
  const committed = (topics: readonly string[]) =>
    broker.committed(
      application,
      topics.flatMap((topic) => partitionsOf(topic, shopPartitions)),
    )
  /** Everything in the topics that the shop reads is done, those between its parts included. */
  const drained = () =>
    instances.hold(async () => {
      const done = await committed(read)
      const ends = await broker.offsets(done)
      return ends.every(({ earliest, latest }, at) => (done[at]?.offset ?? earliest) === latest)
    })
  /** All partitions of the orders have an owner at work. */
  const goesOn = async (records = progress) => {
    const orders = [`${application}-orders`]
    const before = await committed(orders)
    const hasMoved = (offset: number | undefined, at: number) => (offset ?? 0) >= (before[at]?.offset ?? 0) + records
    await instances.hold(async () => (await committed(orders)).every(({ offset }, at) => hasMoved(offset, at)))
  }
  return { trade, instances, drained, goesOn }
}

type Shop = Awaited<ReturnType<typeof openShop>>

/** Trades without a pause until something is done. */
async function tradingWhile({ trade }: Shop, action: () => Promise<void>): Promise<void> {
  let isDone = false
  const trading = (async () => {
    while (!isDone) {
      await trade.trade(eventsAtOnce)
      await pause(loadEveryMs)
    }
  })()
  try {
    await action()
  } finally {
    isDone = true
    await trading
  }
}

async function killOneAndBoth({ instances, goesOn }: Shop): Promise<void> {
  await goesOn()
  await instances.kill('one')
  await goesOn()
  await instances.start('one')
  await goesOn()
  await instances.kill('one', 'other')
  await instances.start('one', 'other')
  await goesOn()
}

const cases: [Guarantee, string, (shop: Shop) => Promise<void>][] = [
  ['at_least_once', 'that nothing happens to', ({ goesOn }) => goesOn(10 * progress)],
  ['exactly_once', 'that are killed and started again, one and both', killOneAndBoth],
]

test.skipIf(kafkaBrokers.length === 0).each(cases)(
  'tables, groups, windows and joins are what their definitions say, %s, on two instances %s',
  async (guarantee, _, happens) => {
    await using folder = await temporaryDirectory()
    await using broker = kafkaBroker({ brokers: kafkaBrokers })
    await broker.open()
    const shop = await openShop({ broker, folder: folder.path, guarantee })
    const { trade, instances, drained } = shop
    await using _instances = instances
    await trade.settleCustomers()
    await instances.start('one', 'other')
    await drained()

    await tradingWhile(shop, () => happens(shop))
    await drained()
    await trade.closeWindows()
    await drained()

    const [inputs, outputs] = [await trade.inputs(), await trade.outputs()]
    process.stdout.write(`${guarantee}: ${inputs.orders.length} orders, ${inputs.payments.length} payments\n`)
    expect(outputs).toEqual(expectedOutputs(inputs))
    expect(outputs.settled.length).toBeGreaterThan(progress)
  },
)
