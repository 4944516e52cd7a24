import type { Script } from './script.ts'
import { isAtRest, judge } from './verdict.ts'
import { World } from './world.ts'

/** Time that everything gets to come to rest, in growing steps: retries wait up to half a minute. */
const patience = [...steps(40, 60), ...steps(40, 1_000), ...steps(20, 40_000)]

/** Plays a script on a new world, lets everything drain, and returns what is wrong at the end; `traced` gets what happened. */
export async function play(script: Script, traced?: string[]): Promise<readonly string[]> {
  seedRandom()
  const world = await World.open(script, traced)
  const escaped = (error: unknown) => world.fault(`nobody caught ${error instanceof Error ? error.stack : error}`)
  process.on('unhandledRejection', escaped)
  try {
    await world.turns(20)
    for (const { action, turns } of script.steps) {
      await world.act(action)
      await world.turns(turns)
    }
    await drain(world)
    return world.faults
  } finally {
    await end(world)
    process.off('unhandledRejection', escaped)
  }
}

async function drain(world: World): Promise<void> {
  world.heal()
  for (const step of patience) {
    if (![...world.instances.values()].some(({ runtime }) => runtime)) world.instance('one').start()
    await world.turns(15)
    if (world.faults.length > 0) return
    if (await isAtRest(world)) {
      for (const fault of await judge(world)) world.fault(fault)
      return
    }
    world.clock.advance(step)
  }
  world.fault(`it does not come to rest: ${stateOf(world)}`)
}

async function end(world: World): Promise<void> {
  for (const instance of world.instances.values()) await instance.crash(0, 'nobody')
  for (let turn = 0; turn < 100; turn++) {
    if ([...world.instances.values()].every(({ isSettled }) => isSettled)) break
    await world.turns(5)
    world.clock.advance(1_000)
  }
  await world.broker.close()
}

function stateOf(world: World): string {
  const instances = [...world.instances.values()].map(({ name, runtime, isSettled }) => {
    const tasks = runtime?.tasks.map(
      (task) =>
        `${task.id}${task.running ? '' : ' not running'}${task.caughtUp ? '' : ' behind'}${task.recovering ? ' recovering' : ''}`,
    )
    return `${name} is ${runtime?.state ?? 'down'}${isSettled ? '' : ', an end is not over'} (${tasks?.join(', ') ?? ''})`
  })
  return [...instances, world.index.isQuiet ? 'the index is quiet' : 'the index is busy'].join('; ')
}

function steps(count: number, ms: number): number[] {
  return Array.from({ length: count }, () => ms)
}

/** Retries wait for a random time: the same one whenever the same script is played. */
function seedRandom(): void {
  let state = 0x2545f491
  Math.random = () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}
