import { ManualClock } from '../../src/clock.ts'
import { EmbeddingEngine, type Encode } from '../../src/embed/engine.ts'
import { encodeCharacters, type FakeDevice } from './fake-device.ts'

const engines: EmbeddingEngine[] = []

/** An engine on a clock that the test turns; one token per character. */
export function engineWith(
  devices: readonly FakeDevice[],
  options: { encode?: Encode; maxBatchTokens?: number; windowTexts?: number } = {},
) {
  const clock = new ManualClock()
  const engine = new EmbeddingEngine({ devices, encode: encodeCharacters, dimensions: 2, clock, ...options })
  engines.push(engine)
  return { engine, clock }
}

/** For `afterEach`. */
export function closeEngines(): void {
  for (const engine of engines.splice(0)) engine.close()
}
