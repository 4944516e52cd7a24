import { embeddedBroker } from './connectors/embedded/broker.ts'
import {
  TopologyTestDriver as Driver,
  type TopologyTestDriverOptions as DriverOptions,
} from './runtime/topology-test-driver.ts'
import type { Topology } from './topology/topology.ts'

export { ManualClock } from './clock.ts'
export { memorySchemaRegistry } from './connectors/schema-registry/memory-registry.ts'
export type { LookedAt, TestRecord } from './runtime/topology-test-driver.ts'

export type TopologyTestDriverOptions = Omit<DriverOptions, 'broker'>
export type TopologyTestDriver = Driver

export const TopologyTestDriver = {
  /**
   * Starts a topology on an in-memory log with a clock turned by hand.
   *
   * @example
   * await using driver = await TopologyTestDriver.start(topology)
   */
  start(topology: Topology, options: TopologyTestDriverOptions = {}): Promise<Driver> {
    return Driver.start(topology, { ...options, broker: (clock) => embeddedBroker({ clock }) })
  },
}
