import { type Check, ok, problem } from './check.ts'
import { connected, noListener } from './kafka-address.ts'

/** Where the brokers of the cluster say that they are: clients are sent there from the address that they were given. */
export const advertised: Check<'addresses'> = {
  name: 'brokers',
  needs: ['addresses'],
  async examine({ addresses }) {
    const attempts = await Promise.allSettled(addresses.map((address) => connected(address)))
    const problems = attempts.flatMap((attempt, at) =>
      attempt.status === 'fulfilled'
        ? []
        : [
            problem(
              `the cluster has a broker that is not reached from here: ${noListener(addresses[at] ?? '', attempt.reason).fact}`,
              'Start it, or let it name an address in `advertised.listeners` that this machine can reach.',
            ),
          ],
    )
    return problems.length > 0 ? problems : [ok(`${addresses.join(', ')} can be connected to`)]
  },
}
