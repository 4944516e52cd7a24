import { isDenied } from './errors.ts'
import type { Cluster } from './internals.ts'

/** KafkaJS asks one broker after the other for a coordinator and keeps their answers to itself: what is denied is told here. */
export function tellDenials(cluster: Cluster): void {
  const pool = cluster.brokerPool
  const withBroker = pool.withBroker.bind(pool)
  pool.withBroker = async (ask) => {
    let denial: unknown
    const answer = await withBroker(async (choice) => {
      try {
        return await ask(choice)
      } catch (error) {
        if (isDenied(error)) denial = error
        throw error
      }
    })
    if (answer === null && denial) throw denial
    return answer
  }
}
